"""``python -m tests.databases [--short] [RUN ...] [-- pytest's arguments]``: on real databases."""

import os
import subprocess
import sys
from pathlib import Path

from .kinds import KINDS

#: What asks the database most: one kind of it runs with every `make test`.
SHORT = [
    "tests/django_sqs/inbox",
    "tests/django_sqs/tickets",
    "tests/django_sqs/outbox",
    "tests/django_sqs/schedules",
    "tests/django_sqs/tasks",
    "tests/django_sqs/test_atomic_requests.py",
    "tests/django_sqs/test_conflicts.py",
    "tests/django_sqs/test_connections.py",
    "tests/django_sqs/test_half_read.py",
    "tests/django_sqs/test_inbox_outbox.py",
    "tests/django_sqs/test_large_rows.py",
    "tests/django_sqs/test_on_commit.py",
    "tests/django_sqs/test_open_transactions.py",
    "tests/django_sqs/test_prepared_statements.py",
    "tests/django_sqs/test_previous_release.py",
    "tests/django_sqs/test_remembered.py",
]
#: All that uses the database of the project, and runs as it is on each kind.
FILES = [
    *SHORT,
    "tests/django_sqs/failures",
    "tests/django_sqs/management",
    "tests/django_sqs/test_api.py",
    "tests/django_sqs/test_aws_lambda.py",
    "tests/django_sqs/test_batches.py",
    "tests/django_sqs/test_celery.py",
    "tests/django_sqs/test_connections_that_close.py",
    "tests/django_sqs/test_not_migrated.py",
    "tests/django_sqs/test_signals.py",
    "tests/django_sqs/test_strangers.py",
    "tests/django_sqs/test_testing.py",
    "tests/django_sqs/test_views.py",
    "tests/django_sqs/wake",
    "tests/django_sqs/web/test_site_receiver.py",
    "tests/django_sqs/worker/test_runreceiver.py",
    "tests/pages/test_failures_pages.py",
    "tests/pages/test_pages.py",
    "tests/pages/test_payloads_pages.py",
    "tests/pages/test_results_pages.py",
    "tests/pages/test_schedules_pages.py",
]

#: A kind each, some with a router, or with times that have no zone.
RUNS = {
    **{name: {"DB": name} for name in KINDS},
    "sqlite+apps": {"DB": "sqlite", "ROUTER": "apps"},
    "sqlite+naive": {"DB": "sqlite", "TEST_USE_TZ": "no", "TEST_TIME_ZONE": "Asia/Kolkata"},
    "postgres+apps": {"DB": "postgres", "ROUTER": "apps"},
    "sqlite+replica": {"DB": "sqlite", "REPLICA": "1"},
    "postgres+replica": {"DB": "postgres", "REPLICA": "1"},
}


#: Exit codes of pytest: all passed; none was chosen, as by --last-failed where none had failed.
PASSED = (0, 5)


def command(name, files, more):
    """Run pytest, with a memory of its own of what failed last.

    :raises SystemExit: one of *files* is not there, and would be left out unseen.
    """
    if missing := [file for file in files if not os.path.exists(file)]:
        raise SystemExit(f"There is no {', '.join(missing)}: correct FILES in {__file__}")
    cache = Path(".pytest_cache") / name
    if not (cache / "v" / "cache" / "nodeids").exists():
        # What was never run is run whole.
        more = [option for option in more if not option.startswith("--last-failed")]
    return [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", *files, *more]


def main(arguments):
    """Run them; return 1 where a run failed, and say which."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, more = arguments[:end], arguments[end + 1 :]
    files = FILES
    if "--short" in names:
        files = SHORT
        names.remove("--short")
    failed = []
    for name in names or RUNS:
        environment = RUNS[name]
        print(f"=== {name}", flush=True)
        if lacks := KINDS[environment["DB"]].lacks:
            print(f"skipped: {lacks}", flush=True)
            continue
        if (
            subprocess.call(command(name, files, more), env={**os.environ, **environment})
            not in PASSED
        ):
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "All runs passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
