"""Connections of those who write results: whether one answers, and has room."""

from __future__ import annotations

from django.db import connections

from ..connections import drop_broken
from ..database_errors import sqlstate

#: How databases say that there is no room left: PostgreSQL's SQLSTATE, MySQL's numbers, and what
#: SQLite says, or MySQL of a file under other numbers.
_FULL_STATE, _FULL_NUMBERS = "53100", (1021, 1114)
_FULL_TEXTS = ("disk is full", "No space left on device")


def is_full(exc: Exception) -> bool:
    """Whether *exc* says that a database has no room left, where what is small may find some."""
    number = exc.args[0] if exc.args else None
    if sqlstate(exc) == _FULL_STATE or number in _FULL_NUMBERS:
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
