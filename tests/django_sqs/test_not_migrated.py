"""What is used before ``migrate`` says so, whatever the database calls a missing table."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError
from django.db import OperationalError, ProgrammingError, connections, router

import django_sqs
from django_sqs import not_migrated
from django_sqs.failures.counting import gauges
from django_sqs.failures.models import FailureGroup
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.inbox.once import run_once
from django_sqs.monitor import report
from django_sqs.not_migrated import NotMigrated, lacks_tables, told
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.results.models import TaskRecord
from django_sqs.schedules.models import KnownSchedule
from django_sqs.schedules.ticker import Ticker
from django_sqs.tasks.framework import task_backends
from django_sqs.tickets.models import UniqueKey, UsedTicket
from django_sqs_kombu import Message

from .commands import run
from .schedules.test_firing import NOON
from .tasks import chores
from .tasks.conftest import backends  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def without_the_table_of(model):
    """As before ``migrate``; yields the alias of the database."""
    using, table = router.db_for_write(model), model._meta.db_table

    def rename(old, new):
        with connections[using].cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename(table, "put_aside")
    try:
        yield using
    finally:
        rename("put_aside", table)


def outbox():
    django_sqs.send("plain", body="a", outbox=True)


def outbox_of_many():
    django_sqs.send_many("plain", ["a", "b"], outbox=True)


def once():
    run_once("plain", Message("a"), lambda message: None)


def enqueue():
    chores.double.using(backend="ops", queue_name="admin").enqueue(2)


def get_result():
    task_backends["ops"].get_result("abc")


def unique():
    django_sqs.send("plain", body="a", unique="a", unique_for=60)


def cancel():
    django_sqs.receivers.tickets.cancel("abc")


@pytest.mark.parametrize(
    ("model", "app", "use"),
    [
        pytest.param(model, f"django_sqs.{app}", use, id=use.__name__)
        for model, app, use in (
            (OutboxMessage, "outbox", outbox),
            (OutboxMessage, "outbox", outbox_of_many),
            (ReceivedMessage, "inbox", once),
            (TaskRecord, "results", enqueue),
            (TaskRecord, "results", get_result),
            (UniqueKey, "tickets", unique),
            (UsedTicket, "tickets", cancel),
        )
    ],
)
def test_what_needs_a_table_says_to_migrate(backends, model, app, use):  # noqa: F811 - a fixture
    with without_the_table_of(model) as using, pytest.raises(NotMigrated) as raised:
        use()

    option = "" if using == "default" else f" --database={using}"
    assert str(raised.value).startswith(f"The tables of '{app}' in database '{using}' are missing")
    assert str(raised.value).endswith(f"Run manage.py migrate{option}")
    assert (raised.value.app, raised.value.using) == (app, using)


@pytest.mark.parametrize(
    ("model", "command"),
    [(ReceivedMessage, "sqs_prune_inbox"), (KnownSchedule, "sqs_schedules")],
)
def test_a_command_says_it_in_a_line(model, command):
    with (
        without_the_table_of(model),
        pytest.raises(CommandError, match=r"\. Run manage.py migrate( --database=, .*)?$"),
    ):
        run(command)


@pytest.mark.parametrize("model", [KnownSchedule, OutboxMessage])
def test_schedules_wait_for_their_tables_and_say_so(model, caplog):
    django_sqs.register("report", lambda message: None, every=timedelta(hours=1))
    ticker = Ticker()
    ticker.ticked(NOON)
    with without_the_table_of(model):
        ticker = Ticker() if model is KnownSchedule else ticker
        assert not ticker.ticked(NOON + timedelta(hours=1))

    [record] = caplog.records
    assert record.getMessage().startswith("Schedules wait for their database: ")
    assert "Run manage.py migrate" in record.getMessage()


def test_a_relay_says_it(caplog):
    with without_the_table_of(OutboxMessage), pytest.raises((OperationalError, ProgrammingError)):
        Relay().send_all()

    assert re.search(r"\. Run manage.py migrate( --database=\w+)?$", caplog.records[0].getMessage())


def test_what_is_logged_names_the_database_to_migrate():
    error = OperationalError("no such table: a")

    assert told(error, "default") == "no such table: a. Run manage.py migrate"
    assert told(error, "keys") == "no such table: a. Run manage.py migrate --database=keys"
    assert told(OperationalError("locked"), "keys") == "locked"


def test_of_several_databases_one_that_is_not_known_is_to_be_named(monkeypatch):
    monkeypatch.setattr(not_migrated, "connections", ["default", "keys"])

    assert told(OperationalError("no such table: a")).endswith(
        "Run manage.py migrate --database=, with the alias of the database that lacks it"
    )


@pytest.mark.parametrize("asks", [gauges, report._failures])
def test_what_counts_failed_messages_names_it(asks, caplog):
    with without_the_table_of(FailureGroup) as using:
        list(asks())

    assert f"in database {using!r}" in caplog.text
    assert "Run manage.py migrate" in caplog.text


def test_another_error_of_a_database_is_none_of_a_missing_table():
    assert not lacks_tables(OperationalError("database is locked"))
    assert not lacks_tables(OperationalError(2006, "Server has gone away"))
    assert not lacks_tables(ValueError("no such table: a"))
    assert not lacks_tables(OperationalError(["no such table: a"]))
    assert lacks_tables(OperationalError("table a has no column named b"))


def test_a_table_that_the_messages_themselves_need_is_none_of_the_outbox():
    def messages():
        yield "a"
        raise OperationalError("no such table: shop_order")

    with pytest.raises(OperationalError, match="shop_order"):
        django_sqs.send_many("plain", messages(), outbox=True)
