"""NotMigrated: a database lacks what an optional app keeps in it, until somebody migrates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.printable import line, text_of

from .database_errors import sqlstate

#: PostgreSQL's SQLSTATEs, and MySQL's numbers, of a table and of a column that is not there.
_STATES = frozenset({"42P01", "42703"})
_NUMBERS = frozenset({1146, 1054})
#: What SQLite says instead.
_TEXTS = ("no such table", "no such column", "has no column named")


class NotMigrated(EnvironmentFailure):
    """A database lacks a table or a column of an app, which ``manage.py migrate`` makes.

    :ivar app: the app, as it is in INSTALLED_APPS.
    :ivar using: the alias of the database.
    """

    def __init__(self, app: str, using: str, cause: object) -> None:
        super().__init__(
            f"The tables of {app!r} in database {using!r} are missing or out of date "
            f"({line(str(cause))}). {advice(using)}"
        )
        self.app = app
        self.using = using


def advice(using: str | None) -> str:
    """What to run, as the end of a sentence or a message.

    :param using: the alias of the database; None: it is not known.
    """
    if using is None and len(list(connections)) > 1:
        return "Run manage.py migrate --database=, with the alias of the database that lacks it"
    database = "" if using in (None, DEFAULT_DB_ALIAS) else f" --database={using}"
    return f"Run manage.py migrate{database}"


def lacks_tables(exc: BaseException) -> bool:
    """Whether a database said that a table or a column is not there."""
    if not isinstance(exc, DatabaseError):
        return False
    state = sqlstate(exc)
    if state is not None:
        return state in _STATES
    said = exc.args[0] if exc.args else None
    if isinstance(said, str):
        return any(text in said for text in _TEXTS)
    return isinstance(said, int) and said in _NUMBERS


@contextmanager
def migrated(app: str, using: str) -> Iterator[None]:
    """Around what reads or writes the tables of an app.

    :raises NotMigrated: they are not there, or older than this release.
    """
    try:
        yield
    except DatabaseError as exc:
        if lacks_tables(exc):
            raise NotMigrated(app, using, exc) from exc
        raise


def told(exc: BaseException, using: str | None = None) -> str:
    """What an error says, and to migrate where that helps; for logs and commands.

    :param using: the alias of the database that raised it; None: it is not known.
    """
    said = line(text_of(exc))
    return f"{said}. {advice(using)}" if lacks_tables(exc) else said
