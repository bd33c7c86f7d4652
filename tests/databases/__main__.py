"""``python -m tests.databases [RUN ...] [-- pytest's arguments]``: the tests on real databases."""

import os
import subprocess
import sys
from pathlib import Path

from .kinds import KINDS

#: What uses the database of the project, and runs as it is on each kind; those that are there.
PLACES = ("inbox", "outbox", "results", "tasks", "monitor")
FILES = [
    place
    for place in (
        *(f"tests/django_sqs/{name}" for name in PLACES),
        "tests/django_sqs/test_inbox_outbox.py",
        "tests/django_sqs/test_on_commit.py",
        "tests/django_sqs/test_connections.py",
    )
    if os.path.exists(place)
]

#: A kind each, some with a router.
RUNS = {
    **{name: {"DB": name} for name in KINDS},
    "sqlite+apps": {"DB": "sqlite", "ROUTER": "apps"},
    "postgres+apps": {"DB": "postgres", "ROUTER": "apps"},
    "sqlite+replica": {"DB": "sqlite", "REPLICA": "1"},
    "postgres+replica": {"DB": "postgres", "REPLICA": "1"},
}


#: Exit codes of pytest: all passed; none was chosen, as by --last-failed where none had failed.
PASSED = (0, 5)


def command(name, more):
    """Run pytest, with a memory of its own of what failed last."""
    cache = Path(".pytest_cache") / name
    if not (cache / "v" / "cache" / "nodeids").exists():
        # What was never run is run whole.
        more = [option for option in more if not option.startswith("--last-failed")]
    return [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", *FILES, *more]


def main(arguments):
    """Run them; return 1 where a run failed, and say which."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, more = arguments[:end], arguments[end + 1 :]
    failed = []
    for name in names or RUNS:
        environment = RUNS[name]
        print(f"=== {name}", flush=True)
        if lacks := KINDS[environment["DB"]].lacks:
            print(f"skipped: {lacks}", flush=True)
            continue
        if subprocess.call(command(name, more), env={**os.environ, **environment}) not in PASSED:
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "All runs passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
