"""What a receiver that raised was in the middle of is over before the next message starts."""

import gc
import sys
import threading

import pytest

from django_sqs_kombu.working.left_behind import let_go_of_frames

from .consuming import consume_until


@pytest.fixture
def no_collection():
    """Garbage collection comes at any time: here at none."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Cursor:
    """One that is read row by row, at the server; it notes in which thread it is closed."""

    def __init__(self):
        self.closed = []

    def rows(self):
        try:
            yield 1
            yield 2
        finally:
            self.closed.append(threading.current_thread())


def fail_as_a_database_does():
    """Raise an error that keeps itself alive, as Django's do: it is in a frame it came through."""
    error = ValueError("deadlock detected")
    raise error


@pytest.mark.parametrize("options", [{}, {"batch": 10}], ids=["single", "batch"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_read_halfway_is_closed_in_its_thread(receivers, no_collection, options, threads):
    cursor, readers = Cursor(), []

    def receive(message):
        readers.append(threading.current_thread())
        rows = cursor.rows()
        next(rows)
        fail_as_a_database_does()

    receivers.register("orders", receive, on_error="delete", **options)
    receivers.send("orders", body="x")

    consume_until(receivers, 1, threads=threads)

    assert set(cursor.closed) == set(readers) != set()


def test_so_it_is_where_another_error_was_raised_of_it(receivers, no_collection):
    cursor = Cursor()

    def read():
        rows = cursor.rows()
        next(rows)
        fail_as_a_database_does()

    def receive(message):
        try:
            read()
        except ValueError as exc:
            raise LookupError from exc

    receivers.register("orders", receive, on_error="delete")
    receivers.send("orders", body="x")

    consume_until(receivers, 1)

    assert len(cursor.closed) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups")
def test_so_it_is_where_it_is_one_of_a_group(receivers, no_collection):
    cursor = Cursor()

    def read():
        rows = cursor.rows()
        next(rows)
        fail_as_a_database_does()

    def receive(message):
        errors = []
        for _ in range(2):
            try:
                read()
            except ValueError as exc:
                errors.append(exc)
        raise ExceptionGroup("several", errors)  # noqa: F821 - of Python 3.11

    receivers.register("orders", receive)
    receivers.send("orders", body="x")

    consume_until(receivers, 1)

    assert len(cursor.closed) == 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups")
def test_a_group_that_does_not_let_itself_be_asked_is_looked_into_all_the_same(no_collection):
    class Odd(ExceptionGroup):  # noqa: F821 - of Python 3.11
        @property
        def exceptions(self):
            raise OSError

    cursor = Cursor()

    def read():
        rows = cursor.rows()
        next(rows)
        fail_as_a_database_does()

    try:
        read()
    except ValueError as exc:
        error = Odd("odd", [exc])
    let_go_of_frames(error)

    assert len(cursor.closed) == 1


def test_what_goes_on_after_its_error_was_raised_elsewhere_is_left_alone(receivers, no_collection):
    def connection():
        """It has met an error, tells everybody, and is at work on it."""
        try:
            fail_as_a_database_does()
        except ValueError as exc:
            yield exc
        yield "connected again"

    reader = connection()
    error = next(reader)

    def receive(message):
        raise error

    receivers.register("orders", receive, on_error="delete")
    receivers.send("orders", body="x")

    consume_until(receivers, 1)

    assert next(reader) == "connected again"
