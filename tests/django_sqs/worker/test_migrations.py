"""A worker's start: it waits for the migrations of its databases."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.db import OperationalError, connection, transaction

import django_sqs
from django_sqs.worker.migrations import wait_for_migrations

from ...databases import settings as databases
from ...processes import ROOT
from .test_control import get, url_of

pytestmark = pytest.mark.usefixtures("site")

LAYOUTS = pytest.mark.parametrize("layout", [("talking",), ("talking", "second")])
WAITING = "Waiting up to 60 s before receiving: not migrated:"


@pytest.fixture(autouse=True)
def on_sqlite():
    if "DB_ADDRESS" in os.environ or databases.aliases(os.environ) != ["default"]:
        pytest.skip("databases of servers, and several, are made with all tables")


@LAYOUTS
def test_it_receives_only_when_all_is_migrated(layout, project, eventually):
    django_sqs.send("talking", body="hello")
    worker = project.start(
        "runreceiver", *layout, "--http=127.0.0.1:0", TEST_MIGRATIONS_PATIENCE="60"
    )
    url = url_of(worker, eventually)
    eventually(lambda: WAITING in worker.output)
    time.sleep(2)

    assert get(f"{url}/healthz")[0] == 200
    status, answer = get(f"{url}/readyz")
    assert status == 503
    assert "waiting: not migrated: " in answer
    assert "it says hello" not in worker.output

    project.add_tables()

    eventually(lambda: "it says hello" in worker.output)
    eventually(lambda: get(f"{url}/readyz")[0] == 200)
    assert worker.output.count(WAITING) == 1, "it says once what it waits for"
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0


@LAYOUTS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_waits(layout, number, project, eventually):
    worker = project.start("runreceiver", *layout, TEST_MIGRATIONS_PATIENCE="60")
    eventually(lambda: WAITING in worker.output)

    worker.signal(number)

    assert worker.wait(5) == 0
    assert "Traceback" not in worker.output


def test_it_waits_for_a_while_only(project):
    worker = project.run("runreceiver", "talking", TEST_MIGRATIONS_PATIENCE="1")

    assert worker.wait() == 1
    assert "After 1 s it is still not migrated: " in worker.output
    assert "SQS_MIGRATIONS_PATIENCE = 0" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.slow
def test_a_database_that_is_away_is_waited_for_and_then_left_to_the_receivers(
    project, eventually, tmp_path
):
    django_sqs.send("talking", body="hello")

    worker = project.start(
        "runreceiver",
        "talking",
        TEST_MIGRATIONS_PATIENCE="3",
        TEST_DATABASE=str(tmp_path / "missing" / "db"),
    )

    eventually(lambda: "does not say which migrations are applied" in worker.output)
    assert "it says" not in worker.output
    eventually(lambda: "it says hello" in worker.output)
    assert "Receiving although database 'default' does not say" in worker.output


@pytest.mark.django_db
def test_in_a_test_the_connection_is_left_as_it_is():
    with transaction.atomic():
        told = []

        assert wait_for_migrations(0.1, told.append)

        assert told == [None]
        assert connection.connection is not None


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_cannot_be_closed_does_not_end_the_wait(monkeypatch):
    def not_closed():
        raise OperationalError("the server has gone away")

    monkeypatch.setattr(connection, "_close", not_closed)
    monkeypatch.setattr(connection, "is_in_memory_db", lambda: False)
    told = []

    assert wait_for_migrations(0.1, told.append)

    assert told == [None]


#: Two databases, of which the second is nobody's to migrate, and then is.
SECOND = """
import sys
import django
from django.conf import settings
from django.core.management import call_command

names = ("default", "other")
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={
        name: {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{sys.argv[1]}/{name}"}
        for name in names
    },
)
django.setup()
from django_sqs.worker.migrations import _look

def look():
    found = _look()
    print(found and found.reason)

look()
call_command("migrate", verbosity=0)
look()
call_command("migrate", "contenttypes", "0001", database="other", verbosity=0)
look()
call_command("migrate", "contenttypes", database="other", verbosity=0)
look()
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
MigrationRecorder(connections["other"]).record_applied("elsewhere", "0001_initial")
look()
MigrationRecorder(connections["other"]).record_unapplied("elsewhere", "0001_initial")
call_command("migrate", database="other", verbosity=0)
look()
"""


def test_a_further_database_counts_once_somebody_migrates_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SECOND, tmp_path],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    first, migrated, other, one_app, of_another_project, both = done.stdout.splitlines()
    assert first.startswith("not migrated: contenttypes.0001_initial in database 'default' and")
    assert migrated == one_app == of_another_project == both == "None"
    assert other == ("not migrated: contenttypes.0002_remove_content_type_name in database 'other'")
