"""Rows that are read halfway: what a receiver leaves of a server-side cursor is closed at its end.

It may be kept by an error that the receiver has caught, as each of Django's databases keeps
itself and the variables around it, until garbage collection comes.  That comes at any time, also
within a statement on the same connection, for whose end psycopg would then wait for ever: also
if the cursor is closed already.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from traceback import walk_stack
from typing import Any
from weakref import WeakSet, ref

from django.conf import settings
from django.db import InterfaceError, connections
from django.db.backends.signals import connection_created

#: Of Django's; its type stubs know too little of them.
Cursor = Any
Connection = Any


class _Local(threading.local):
    #: The server-side cursors that this thread has opened, as long as anything refers to them.
    cursors: WeakSet[Cursor] | None = None


_local = _Local()


def cursors_here() -> Collection[Cursor]:
    """The server-side cursors that this thread has opened, and that are there still."""
    return set(_local.cursors) if _local.cursors else ()


def close_cursors(before: Collection[Cursor], *, interrupted: bool = False) -> None:
    """Close those that this thread has opened, but for those of *before*.

    :param interrupted: it may be amid a statement; then the server is not told.
    """
    if here := cursors_here():
        close_all((each for each in here if each not in before), tells=not interrupted)


def close_all(cursors: Iterable[Cursor], *, tells: bool = True) -> None:
    """Close cursors that nobody reads on, in any thread; one whose connection broke is closed."""
    for cursor in cursors:
        with suppress(Exception):
            try:
                # One without hold ends with its transaction.  If that is over, to close it would
                # make the one fail that runs now, which may be another message's.
                if tells and getattr(cursor, "withhold", True):
                    cursor.close()
            finally:
                # Whatever reads it has it closed once more, at any time.
                cursor.cursor = _CLOSED


class _Closed:
    """A driver's cursor that is closed, and that can be closed within a statement."""

    closed = True

    def close(self) -> None:
        """It is."""

    def __getattr__(self, name: str) -> Any:
        raise InterfaceError("The cursor was closed when the receiver that opened it ended")


_CLOSED = _Closed()


def _note_cursors(connection: Connection, **kwargs: Any) -> None:
    """Have a connection note its server-side cursors, which only PostgreSQL's have."""
    if connection.vendor == "postgresql" and "chunked_cursor" not in vars(connection):
        # Weak: a connection is closed when its thread has ended, not at the next collection.
        itself = ref(connection)
        connection.chunked_cursor = lambda: _opened(itself())
        if any(frame.f_code.co_name == "chunked_cursor" for frame, _ in walk_stack(None)):
            # It connects for one, which is not opened by that any more.
            connection._prepare_cursor = lambda cursor: _prepared(itself(), cursor)


def _opened(connection: Connection) -> Cursor:
    return _noted(type(connection).chunked_cursor(connection))


def _prepared(connection: Connection, cursor: Any) -> Cursor:
    prepared = type(connection)._prepare_cursor(connection, cursor)
    # Others that hear of a new connection may ask something first.
    if getattr(cursor, "name", None):
        del connection._prepare_cursor
        _noted(prepared)
    return prepared


def _noted(cursor: Cursor) -> Cursor:
    if _local.cursors is None:
        _local.cursors = WeakSet()
    _local.cursors.add(cursor)
    return cursor


connection_created.connect(_note_cursors, dispatch_uid="django_sqs.half_read")
if settings.configured:
    # Else there is none yet; what imports this may need no project.
    for _each in connections.all(initialized_only=True):
        _note_cursors(_each)
