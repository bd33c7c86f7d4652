"""python -m benchmarks.beside: run all projects, and count; ``--store`` makes the page of it."""

import argparse
import json
from pathlib import Path

from ..servers import end_in_order
from .measure import IDLE, measure
from .packages import made_with
from .page import page

HERE = Path(__file__).resolve().parent
RESULTS, TEXT = HERE / "results.json", HERE / "page.rst"
PAGE = HERE.parents[1] / "docs" / "beside.rst"


def write_page():
    """The page of the documentation, of what is stored."""
    PAGE.write_text(page(json.loads(RESULTS.read_text()), TEXT.read_text()))


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--idle", type=int, default=IDLE, help=f"Seconds; default: {IDLE}.")
    parser.add_argument("--store", action="store_true", help="for the documentation")
    arguments = parser.parse_args()
    end_in_order()
    projects = measure(arguments.idle)
    results = {"about": made_with(projects), "projects": projects}
    if arguments.store:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        write_page()
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
