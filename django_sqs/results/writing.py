"""Connections of those who write results: dropped where they are broken, given back at the end."""

from __future__ import annotations

from django.db import DataError, Error, IntegrityError, connections

from ..connections import discard


def drop_broken(using: str, exc: Exception) -> None:
    """Drop this thread's connection if *exc* says that it may be of no use any more."""
    connection = connections[using]
    # Within somebody's transaction, as in a test, the connection is not ours to close.
    # Also one with a prepared statement that fits its table no more, and what a driver calls odd.
    broken = isinstance(exc, Error) and not isinstance(exc, DataError | IntegrityError)
    if broken and not connection.in_atomic_block:
        discard(connection)


#: How databases say that there is no room left: PostgreSQL's SQLSTATE, MySQL's numbers, and what
#: SQLite says, or MySQL of a file under other numbers.
_FULL_STATE, _FULL_NUMBERS = "53100", (1021, 1114)
_FULL_TEXTS = ("disk is full", "No space left on device")


def is_full(exc: Exception) -> bool:
    """Whether *exc* says that a database has no room left, where what is small may find some."""
    cause = exc.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = exc.args[0] if exc.args else None
    if state == _FULL_STATE or number in _FULL_NUMBERS:
        return True
    return any(text in str(exc) for text in _FULL_TEXTS)


def answers(using: str, exc: Exception) -> bool:
    """Whether the database can be reached at all, now that it raised *exc*."""
    drop_broken(using, exc)
    try:
        connection = connections[using]
        connection.ensure_connection()
        return connection.is_usable()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return False


def give_back(using: str) -> None:
    """Something was written, and the next may take a while."""
    connection = connections[using]
    # To a pool, which others wait for; any other is kept while there is something to write.
    if getattr(connection, "pool", None) and not connection.in_atomic_block:
        connection.close()
