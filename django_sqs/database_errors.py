"""Database errors: whether they are of the database, or of what is written to it."""

from __future__ import annotations

from django.db import DataError, Error, IntegrityError


def is_of_database(exc: BaseException) -> bool:
    """Whether *exc* is an error of a database, and says nothing about what was written."""
    return isinstance(exc, Error) and not isinstance(exc, DataError | IntegrityError)


def sqlstate(exc: BaseException) -> str | None:
    """What PostgreSQL calls the error that *exc* was made of; None: its driver does not say."""
    cause = exc.__cause__
    # psycopg, and psycopg2.
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
