"""CaughtErrors: what failed on a connection, and was caught, before its transaction ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import Error, InterfaceError, InternalError, OperationalError
from django.db.transaction import TransactionManagementError

from django_sqs_kombu.exceptions import EnvironmentFailure

from ..database_errors import as_it_counts, sqlstate
from ..refusals import seen_by

T = TypeVar("T")

#: The class of PostgreSQL's SQLSTATEs that PL/pgSQL raises.
RAISED_BY_A_TRIGGER = "P0"
NOT_COMMITTED = "Its receipt cannot be committed: {}"
#: PostgreSQL's SQLSTATE of what is asked after an error, and MySQL's number of a savepoint that
#: is gone with all of its transaction: neither says why.
_AFTER_AN_ERROR, _NO_SAVEPOINT = "25P02", 1305
#: Statements that end a transaction, and one that may: a procedure can do so, too.
_ENDS = re.compile(r"\s*(COMMIT\b|ROLLBACK\b(?!\s+(WORK\s+)?TO\b))", re.IGNORECASE)
_MAY_END = re.compile(r"\s*CALL\b", re.IGNORECASE)


class CaughtErrors:
    """Notes the errors of a connection's statements that no statement has succeeded after.

    Where Django cannot roll back to a savepoint, as when the server is gone or has undone all at
    a deadlock, it has the whole transaction rolled back, and does not keep why.

    :ivar ended: whether a statement ended the transaction, on MySQL, whose driver does not know.
    :ivar may_have_ended: whether one may have.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._errors: list[Error] = []
        self._reads = connection.vendor == "mysql"
        self.ended = self.may_have_ended = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note them within this block.

        :raises EnvironmentFailure: something was asked after one that was caught, and is of the
            database itself.
        """
        try:
            with seen_by(self, self._connection):
                yield
        except TransactionManagementError:
            if (caught := self.of_database) is not None:
                raise EnvironmentFailure(NOT_COMMITTED.format(caught)) from as_it_counts(caught)
            raise
        finally:
            # They have frames that have this one.
            self._errors.clear()

    def __call__(
        self, execute: Callable[..., T], sql: Any, params: Any, many: Any, context: dict[str, Any]
    ) -> T:
        try:
            result = execute(sql, params, many, context)
        except Error as exc:
            self._errors.append(exc)
            raise
        self._errors.clear()
        if self._reads and isinstance(sql, str):
            self.ended = self.ended or _ENDS.match(sql) is not None
            self.may_have_ended = self.may_have_ended or _MAY_END.match(sql) is not None
        return result

    @property
    def of_database(self) -> Error | None:
        """The first that is of the database itself, if there is one."""
        return next((each for each in self._errors if not _follows(each) and passes(each)), None)


def passes(exc: Exception) -> bool:
    """Whether *exc* is of the database itself, and not about what is written to it."""
    if isinstance(exc, InternalError):
        # What a driver says of answers that it does not understand, as when a pooler's server
        # is gone at the commit, has no SQLSTATE; to psycopg2 it is what a trigger raises as well.
        return not (sqlstate(exc) or "").startswith(RAISED_BY_A_TRIGGER)
    return isinstance(as_it_counts(exc), OperationalError | InterfaceError)


def _follows(exc: Error) -> bool:
    """Whether it only says that something has failed before."""
    if isinstance(exc, TransactionManagementError) or sqlstate(exc) == _AFTER_AN_ERROR:
        return True
    return isinstance(exc, OperationalError) and exc.args[:1] == (_NO_SAVEPOINT,)
