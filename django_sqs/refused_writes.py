"""Refused writes: why a database that takes others took one not."""

from __future__ import annotations

from django.db import connections

from .connections import drop_broken
from .database_errors import sqlstate

#: How often a write is tried whose database answers others: then it is the write's own fault.
MOST_TRIES = 8
#: How databases say that there is no room left: PostgreSQL's SQLSTATE, MySQL's numbers, and what
#: SQLite says, or MySQL of a file under other numbers.
_FULL_STATE, _FULL_NUMBERS = "53100", (1021, 1114)
_FULL_TEXTS = ("disk is full", "No space left on device")
#: How they say that a statement is too large: PostgreSQL's SQLSTATEs, and MySQL's numbers, whose
#: servers mostly close the connection instead.
_TOO_LARGE_STATES, _TOO_LARGE_NUMBERS = ("54000", "54P01"), (1153, 2006, 2013)


def is_full(exc: Exception) -> bool:
    """Whether *exc* says that a database has no room left, where what is small may find some."""
    if sqlstate(exc) == _FULL_STATE or _number(exc) in _FULL_NUMBERS:
        return True
    return any(text in str(exc) for text in _FULL_TEXTS)


def may_be_too_large(exc: Exception) -> bool:
    """Whether *exc* may say that a statement is too large; or that the server was away."""
    return sqlstate(exc) in _TOO_LARGE_STATES or _number(exc) in _TOO_LARGE_NUMBERS


def answers(using: str, exc: Exception) -> bool:
    """Whether the database can be reached at all, now that it raised *exc*."""
    drop_broken(using, exc)
    try:
        connection = connections[using]
        connection.ensure_connection()
        return connection.is_usable()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return False


def _number(exc: Exception) -> object:
    return exc.args[0] if exc.args else None
