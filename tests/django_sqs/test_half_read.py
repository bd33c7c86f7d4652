"""Rows that a receiver has read halfway are closed when it ends, whatever keeps them."""

import gc
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections, router

import django_sqs
from django_sqs.half_read import close_all
from django_sqs.tickets.models import UniqueKey
from django_sqs_kombu import ReceiverConsumer

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif("not at_server()", reason="it has no server-side cursors"),
]


def used():
    """The connection that receivers read by."""
    return connections[router.db_for_write(UniqueKey)]


def at_server():
    return used().vendor == "postgresql" and not used().settings_dict.get(
        "DISABLE_SERVER_SIDE_CURSORS"
    )


def rows():
    UniqueKey.objects.bulk_create(
        UniqueKey(digest=str(number), expires=9e9, ticket_id="x") for number in range(20)
    )
    return rows_again()


def rows_again():
    return UniqueKey.objects.using(used().alias).order_by("pk").iterator(chunk_size=2)


def names():
    """The server's cursors of this connection."""
    with used().cursor() as cursor:
        cursor.execute("SELECT name FROM pg_cursors WHERE name LIKE '%django%'")
        return cursor.fetchall()


@pytest.fixture(autouse=True)
def no_collection(site):
    """Garbage collection comes at any time: here at none."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def catching(read=rows):
    """Catch what the database says; the error keeps itself, and this function's variables."""
    found = read()
    next(found)
    try:
        with used().cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
    except DatabaseError:
        return names()


def failing():
    catching()
    raise LookupError


def test_by_an_error_that_it_caught():
    seen = []
    queue = django_sqs.register("half1", lambda message: seen.append(catching()))
    queue.send(body="x")

    queue.receive_single()

    assert seen[0]
    assert names() == []


def test_and_where_it_failed_later():
    queue = django_sqs.register("half2", lambda message: failing())
    queue.send(body="x")

    with pytest.raises(LookupError):
        queue.receive_single()

    assert names() == []


def test_those_that_are_read_around_a_receiver_are_read_on():
    """As of who sends what is received at once, in a test."""
    outer = rows()
    next(outer)
    queue = django_sqs.register("half3", lambda message: next(rows_again()))
    queue.send(body="x")

    queue.receive_single()

    assert len(list(outer)) == 19


@pytest.fixture
def closed(monkeypatch):
    """What was closed at the end of a receiver that runs on a loop, once it was."""
    found, done = [], threading.Event()

    def close(cursors):
        found.extend(each for each in cursors if not each.closed)
        close_all(cursors)
        done.set()

    monkeypatch.setattr("django_sqs.calls.close_all", close)
    return lambda: found if done.wait(30) else None


def test_on_a_loop_it_reads_on_and_what_it_leaves_is_closed_at_its_end(closed):
    read = []

    async def receive(message):
        found = await sync_to_async(rows)()
        await sync_to_async(next)(found)
        # Each of these is a call in a thread.
        await sync_to_async(catching)(rows_again)
        read.extend(await sync_to_async(list)(found))

    queue = django_sqs.register("half4", receive)
    queue.send(body="x")
    ReceiverConsumer(django_sqs.receivers, [queue], coroutines=2, message_limit=1).run()

    assert len(read) == 19
    assert [cursor.closed for cursor in closed()] == [True]
