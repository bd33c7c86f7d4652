"""Statements that PostgreSQL has prepared, and that are gone, or of another type, when they run."""

import asyncio
import os
import sys

import pytest
from asgiref.sync import sync_to_async
from django.db import NotSupportedError, ProgrammingError, connections, router

import django_sqs
from django_sqs.database_errors import StatementLost
from django_sqs.inbox.models import ReceivedMessage
from django_sqs_kombu import ReceiverConsumer

pytestmark = [
    pytest.mark.skipif(
        # A pooler's connections keep for the next test what this one has prepared on them.
        os.environ.get("DB") not in ("postgres", "pool"),
        reason="psycopg 3 alone prepares, on connections of its own",
    ),
    pytest.mark.django_db(transaction=True, databases="__all__"),
]


@pytest.fixture
def used(site, transactional_db, monkeypatch):
    """The connection that receivers write by, on which each statement is prepared at once."""
    site.SQS_RESTART_BACKOFF = 0
    alias = router.db_for_write(ReceivedMessage)
    connections[alias].close()
    options = {"server_side_binding": True, "prepare_threshold": 0}
    monkeypatch.setitem(connections[alias].settings_dict, "OPTIONS", options)
    # On a loop it is another thread's.
    yield lambda: connections[alias]
    connections[alias].close()


def ask(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def lose(connection):
    """Have the server forget what psycopg prepared, as a pooler's other connection has not."""
    ask(connection, "SELECT 1")
    # Past psycopg, which would forget it as well.
    connection.connection.pgconn.exec_(b"DEALLOCATE ALL")
    ask(connection, "SELECT 1")


def take(connection):
    """Have the server know the names that psycopg is about to give, as one of others has."""
    connection.ensure_connection()
    connection.connection.pgconn.exec_(b'PREPARE "_pg3_50" AS SELECT 2')
    for number in range(100):
        ask(connection, f"SELECT {number}")


def migrate(connection):
    """Have a migration change the type of a column that a statement returns."""
    other = connections.create_connection(connection.alias)
    try:
        ask(other, "CREATE TABLE typed AS SELECT 1 AS a")
        ask(connection, "SELECT a FROM typed")
        ask(other, "ALTER TABLE typed ALTER a TYPE text")
        ask(connection, "SELECT a FROM typed")
    finally:
        ask(other, "DROP TABLE typed")
        other.close()


CASES = [
    (kind, fault, ProgrammingError)
    for kind in ("plain", "once", "coroutine", "on the loop")
    for fault in (lose, take)
]
if sys.version_info >= (3, 11):
    CASES += [(kind, lose, ProgrammingError) for kind in ("a group", "a group on the loop")]
# Of one with once=True the migration would wait for the end of its transaction.
CASES += [(kind, migrate, NotSupportedError) for kind in ("plain", "coroutine", "on the loop")]


@pytest.mark.parametrize(("kind", "fault", "error"), CASES)
def test_a_statement_that_was_prepared_elsewhere_costs_no_message(kind, fault, error, used):
    raised = []

    def receive(message):
        if not raised:
            try:
                fault(used())
            except error as exc:
                raised.append(exc)
                raise
        ask(used(), "SELECT 1")

    async def await_it(message):
        await sync_to_async(receive)(message)

    async def in_a_group(message):
        async with asyncio.TaskGroup() as group:
            group.create_task(await_it(message))

    is_group, on_loop = kind.startswith("a group"), kind.endswith("on the loop")
    awaits = await_it if kind == "coroutine" or on_loop else receive
    receiver = in_a_group if is_group else awaits
    queue = django_sqs.register("prepared", receiver, once=kind == "once")
    queue.send(body="x")
    settled = []

    def note(sender, raised, **kwargs):
        settled.append(raised)

    django_sqs.signals.message_settled.connect(note)
    try:
        coroutines = 2 if on_loop else None
        consumer = ReceiverConsumer(
            django_sqs.receivers, [queue], message_limit=2, coroutines=coroutines
        )
        consumer.run()
    finally:
        django_sqs.signals.message_settled.disconnect(note)

    assert [type(each) for each in settled] == [StatementLost, type(None)]
    assert isinstance(settled[0], error)
    # What a group is made of has no cause of its own.
    assert is_group or settled[0].__cause__ is raised[0]
