"""``python -m tests.databases [RUN ...] [-- pytest's arguments]``: the tests on real databases."""

import os
import subprocess
import sys

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
        command = [sys.executable, "-m", "pytest", "-q", *FILES, *more]
        if subprocess.call(command, env={**os.environ, **environment}):
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "All runs passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
