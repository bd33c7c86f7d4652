"""python -m benchmarks: measure this library beside its peers; docs/benchmarks.rst is made of it.

all          all contenders, some minutes; the figures are stored, and the page made
cost         requests a message and of an idle queue, counted exactly: a minute
client       what the client costs, against a stub that always has messages: a minute
tasks        what stored results cost a task
connections  what it saves to keep connections to a database

``python -m benchmarks.beside`` has the same feature with Celery, dj-queue and this library, for
docs/beside.rst; ``benchmarks.batches`` and ``benchmarks.coroutines`` measure what their guides say.
"""

import argparse
import compileall
import json
import os
import sys
import threading
from pathlib import Path

from . import runner
from .about import about
from .client import program
from .client.text import text
from .costs import each, single_each
from .report import table
from .servers import end_in_order, stack
from .tasks import measure_connections, measure_tasks

HERE = Path(__file__).resolve().parent
#: What is stored: of all contenders, and of what the client costs.
RESULTS, CLIENT = HERE / "results.json", HERE / "client.json"
PAGE = HERE.parent / "docs" / "benchmarks.rst"


def cost():
    """Requests of this library for each message, and for each minute of an idle queue."""
    # Enough that what a start costs, a few small requests until the pace is known, is little.
    count = 1_000
    with stack("ministack") as server:
        idle = {}

        def measure_idle():
            # A first poll of 10 s, then polls of 20 s: two of their starts give the rate.
            idle.update(runner.measure_idle(sys.executable, "django-sqs", 1, 50, "ministack"))

        thread = threading.Thread(target=measure_idle)
        thread.start()
        sends = {
            "send": runner.measure_send(server, sys.executable, "django-sqs", count, 0),
            "send, 8 threads": runner.measure_send(
                server, sys.executable, "django-sqs, 10 threads", count, 0.02
            ),
            "send_many": runner.measure_send(
                server, sys.executable, "django-sqs, send_many", count, 0
            ),
        }
        full = runner.measure_consume(server, sys.executable, "django-sqs", count, 0)
        single = runner.measure_single(server, sys.executable, "django-sqs")
        thread.join()
    return {
        # Without GetQueueUrl, CreateQueue and ListQueueTags, which a queue costs once.
        **{name: each(sent["requests"], count + 8) for name, sent in sends.items()},
        "receive and delete, a full queue": each(full["requests"], count + 8),
        "receive and delete, one at a time": single_each(single["requests"]),
        "idle, polls a minute": idle["per_minute_per_queue"],
    }


def tell_cost(arguments):
    """The exact counts: printed, and stored for the documentation."""
    made_with = about(runner.PACKAGES)
    figures = cost()
    print(json.dumps(figures) if arguments.json else _lines(figures))
    if arguments.store:
        store({"cost": figures, "about": {"cost": made_with}})
        write_page()


def _lines(figures):
    return "\n".join(
        f"{name}: {'too few polls to tell' if figure is None else f'{figure:.2f}'}"
        for name, figure in figures.items()
    )


def client(arguments):
    """What the client costs: printed, or stored for the page."""
    results = program.run(quick=arguments.quick, long=arguments.long, only=only_of(arguments))
    print(json.dumps(results) if arguments.json else text(results))
    if arguments.store:
        # What they were made of is many times as long.
        stored = {key: value for key, value in results.items() if key != "raw"}
        CLIENT.write_text(json.dumps(stored, indent=2) + "\n")
        write_page()


def write_page():
    """The page of the documentation, of what is stored."""
    stored = [json.loads(file.read_text()) for file in (RESULTS, CLIENT)]
    PAGE.write_text(table(*stored))


def as_installed():
    """Have this library start as where pip has installed it: compiled, as its peers are."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("django_sqs_kombu", "django_sqs"):
        compileall.compile_dir(HERE.parent / package, quiet=1)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = ("all", "cost", "tasks", "connections", "client")
    parser.add_argument("what", nargs="?", choices=what, default="all")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    parser.add_argument("--quick", action="store_true", help="client: shorter looks")
    parser.add_argument("--long", action="store_true", help="client: Celery's transports, too")
    only = "sections: of all, such as send,consume; of client, such as consume,full 50"
    parser.add_argument("--only", default="", help=only)
    parser.add_argument("--store", action="store_true", help="cost, client: for the documentation")
    arguments = parser.parse_args()
    end_in_order()
    as_installed()
    if arguments.what == "client":
        client(arguments)
        return
    if arguments.what == "cost":
        tell_cost(arguments)
        return
    only = only_of(arguments)
    program.check_only(only, runner.SECTIONS)
    with stack("ministack") as server:
        if arguments.what == "tasks":
            print(json.dumps(measure_tasks(server), indent=2))
            return
        if arguments.what == "connections":
            print(json.dumps(measure_connections(server.direct), indent=2))
            return
        results = runner.run_all(server, only)
    store(results)
    write_page()


def only_of(arguments):
    """The sections that are asked for; none: all."""
    return [name for name in arguments.only.split(",") if name]


def store(results):
    """Put *results* in the place of what is stored of the same sections."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    abouts = {**stored.get("about", {}), **results.pop("about")}
    RESULTS.write_text(json.dumps({**stored, **results, "about": abouts}, indent=2) + "\n")


if __name__ == "__main__":
    main()
