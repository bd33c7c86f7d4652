"""Rows that a receiver has read halfway are closed when it ends, whatever keeps them."""

import gc
import threading
from contextlib import nullcontext, suppress

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, connections, router
from django.db.transaction import atomic

import django_sqs
from django_sqs.calls import CallLane
from django_sqs.connections import leaving_no_connection
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


def waits(driver):
    """Whether garbage collection waits for a statement of a connection of psycopg's."""
    collecting = threading.Thread(target=gc.collect, daemon=True)
    # Held for each statement; psycopg 2 has no such lock.
    with getattr(driver, "lock", nullcontext()):
        collecting.start()
        collecting.join(10)
        return collecting.is_alive()


def test_what_is_collected_within_a_statement_waits_for_none():
    queue = django_sqs.register("half5", lambda message: catching())
    queue.send(body="x")
    queue.receive_single()

    assert not waits(used().connection)


def test_also_the_first_that_is_asked_of_a_connection():
    drivers = []

    def receive(message):
        catching(rows_again)
        drivers.append(used().connection)

    def receiving():
        queue.receive_single()
        used().close()

    rows()
    queue = django_sqs.register("half10", receive)
    queue.send(body="x")
    in_thread = threading.Thread(target=receiving)
    in_thread.start()
    in_thread.join()

    assert not waits(drivers[0])


def test_nor_what_a_call_in_any_thread_has_left_on_a_connection_of_a_pool():
    rows()
    drivers = []

    def call():
        catching(rows_again)
        drivers.append(used().connection)

    in_thread = threading.Thread(target=leaving_no_connection, args=[call])
    in_thread.start()
    in_thread.join()

    assert not waits(drivers[0])


def test_a_reader_that_is_kept_says_that_its_cursor_is_closed():
    kept = []
    queue = django_sqs.register("half6", lambda message: kept.append(rows()) or next(kept[0]))
    queue.send(body="x")
    queue.receive_single()

    with pytest.raises(InterfaceError, match="closed when the receiver"):
        list(kept[0])


def leaving_in_a_savepoint(kept):
    """Leave rows half read of which the server knows nothing more."""
    with suppress(LookupError), atomic(using=used().alias):
        kept.append(rows_again())
        next(kept[0])
        raise LookupError


def test_what_ended_with_a_savepoint_costs_the_transaction_around_it_nothing():
    kept = []
    rows()

    def receive(message):
        leaving_in_a_savepoint(kept)
        UniqueKey.objects.using(used().alias).create(digest="x", expires=9e9, ticket_id="x")

    queue = django_sqs.register("half7", receive)
    queue.send(body="x")
    with atomic(using=used().alias):
        queue.receive_single()

    assert UniqueKey.objects.using(used().alias).filter(digest="x").exists()


def test_what_ended_with_its_transaction_costs_the_next_one_nothing():
    kept = []
    rows()
    lane = CallLane(InTurn(), nullcontext, None)
    lane.submit(leaving_in_a_savepoint, kept)

    with atomic(using=used().alias):
        assert names() == []
        lane.close()
        assert names() == []


def test_what_a_call_leaves_that_ends_after_its_receiver_is_closed():
    kept = []
    lane = CallLane(InTurn(), nullcontext, None)

    def call():
        kept.append(rows())
        next(kept[0])
        lane.close()

    lane.submit(call).result(0)

    assert names() == []


class InTurn:
    """Threads that are this one."""

    def run(self, job):
        job()


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
