"""``python -m tests.databases [RUN ...] [-- pytest's arguments]``: the tests on real databases."""

import os
import subprocess
import sys

from .kinds import KINDS

#: What uses the database of the project, and runs as it is on each kind.
MODULES = ("test_inbox_outbox", "test_on_commit", "test_tasks", "test_databases", "test_monitor")
FILES = [f"tests/django_sqs/{name}.py" for name in MODULES]

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
    names, _, more = " ".join(arguments).partition("-- ")
    failed = []
    for name in names.split() or RUNS:
        environment = RUNS[name]
        print(f"=== {name}", flush=True)
        if lacks := KINDS[environment["DB"]].lacks:
            print(f"skipped: {lacks}", flush=True)
            continue
        files = [file for file in FILES if os.path.exists(file)]
        command = [sys.executable, "-m", "pytest", "-q", *files, *more.split()]
        if subprocess.call(command, env={**os.environ, **environment}):
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "All runs passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
