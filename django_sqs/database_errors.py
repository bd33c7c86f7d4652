"""Database errors: whether they are of the database, or of what is written to it."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import (
    DataError,
    Error,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from django_sqs_kombu.exceptions import MessageDecodeError, PassesSoon, SQSError, TimedOut
from django_sqs_kombu.printable import repr_of
from django_sqs_kombu.working import Action, Attempts, Row, row_for

#: PostgreSQL's SQLSTATEs of a statement that was prepared already, or is not prepared.
_PREPARED = frozenset({"42P05", "26000"})
#: Those of a transaction that another one got in the way of.
_CONFLICTS = frozenset({"40001", "40P01"})
#: MySQL's number of a deadlock, and MariaDB's of a row that has changed since its snapshot.
_MYSQL_CONFLICTS = (1213, 1020)
#: SQLite's number of a row that somebody else has written since this transaction read, in WAL mode:
#: waiting would not help.
_SQLITE_CONFLICT = 517
#: Where PostgreSQL raises what has no SQLSTATE of its own: what a statement returns has changed.
_REVALIDATED = "RevalidateCachedQuery"


#: The traceback of an exception, whatever its class says.
_traceback_of: Any = BaseException.__dict__["__traceback__"].__get__
#: Python 3.10 has none.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())


class StatementLost(OperationalError, ProgrammingError, NotSupportedError):
    """A statement that was prepared cannot be run as it is, whatever it is to do.

    A pooler has handed out another connection of its server, or a migration has changed the type
    of a column.  It is of the classes, too, by one of which Django calls it.
    """


class Conflict(PassesSoon, OperationalError):
    """Another transaction was in the way, so that the same may work at once."""


class NotConnected(OperationalError):
    """A connection could not be made, for a reason that is no error of a database.

    As where a backend asks AWS for the password, and AWS does not answer.
    """


def is_of_database(exc: BaseException) -> bool:
    """Whether *exc* is an error of a database, and says nothing about what was written."""
    if not isinstance(exc, Error):
        return _kept_from_connecting(exc)
    return not isinstance(exc, DataError | IntegrityError)


@contextmanager
def as_database_errors() -> Iterator[None]:
    """Around what uses a database: whatever keeps it from connecting is an error of its own.

    :raises NotConnected: in place of that.
    """
    try:
        yield
    except Exception as exc:
        counts = as_it_counts(exc)
        if counts is exc:
            raise
        try:
            raise counts from exc
        finally:
            # It has this frame, which would keep it, and all that it was raised in.
            del counts


def sqlstate(exc: BaseException) -> str | None:
    """What PostgreSQL calls the error that *exc* was made of; None: its driver does not say."""
    cause = exc.__cause__
    # psycopg, and psycopg2.
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def is_conflict(exc: Error) -> bool:
    """Whether another transaction was in the way, so that the same may work at once.

    At SERIALIZABLE and REPEATABLE READ PostgreSQL lets one of two fail that write the same row.
    """
    if sqlstate(exc) in _CONFLICTS or (*exc.args, None)[0] in _MYSQL_CONFLICTS:
        return True
    return getattr(exc.__cause__, "sqlite_errorcode", None) == _SQLITE_CONFLICT


def as_it_counts(exc: BaseException, table: tuple[Row, ...] = ()) -> BaseException:
    """*exc*, or the StatementLost or NotConnected that it is; of a group, what each in it is.

    :param table: what becomes of the message; what it names for another try counts as it is.
    """
    try:
        return _as_it_counts(exc, table)
    except TimedOut:
        # Of the receiver that is looked after.
        raise
    except Exception:  # noqa: BLE001 - what a receiver raises may not let itself be asked
        return exc


def _as_it_counts(exc: BaseException, table: tuple[Row, ...]) -> BaseException:
    # By its type, which answers whatever its class says.
    if issubclass(type(exc), _GROUP):
        return _group_as_it_counts(exc, table)
    if issubclass(type(exc), MessageDecodeError):
        return _undecodable_as_it_counts(exc, table)
    counts = _alone_as_it_counts(exc, table)
    if counts is not exc:
        counts.__cause__ = exc
    return counts


def _alone_as_it_counts(exc: BaseException, table: tuple[Row, ...]) -> BaseException:
    if not issubclass(type(exc), Error):
        if _kept_from_connecting(exc) and not _is_retried(exc, table):
            return NotConnected(repr_of(exc))
        return exc
    if issubclass(type(exc), StatementLost):
        return exc
    where = getattr(getattr(exc.__cause__, "diag", None), "source_function", None)
    if sqlstate(exc) not in _PREPARED and where != _REVALIDATED:
        # A class of its own, which a policy may name, counts as it is.
        return Conflict(*exc.args) if type(exc) is OperationalError and is_conflict(exc) else exc
    return StatementLost(*exc.args)


def _undecodable_as_it_counts(exc: Any, table: tuple[Row, ...]) -> BaseException:
    """The error of a message class, whose own query may have been what failed."""
    read: BaseException | None = exc.__cause__
    if exc.kind is not None and read is not None and not _is_retried(exc, table):
        # Of one whose text is long a stand-in is the cause.
        known = issubclass(exc.kind, Error) and not issubclass(type(read), Error)
        counts = read if known else as_it_counts(read)
        if counts is not read:
            exc.kind = type(counts)
    return exc  # type: ignore[no-any-return]


def _is_retried(exc: BaseException, table: tuple[Row, ...]) -> bool:
    """Whether a project has named *exc* for another try, and not what NotConnected is, too."""
    row = row_for(exc, Attempts(), table) if table else None
    if row is None or not row.named or row.action is not Action.REQUEUE:
        return False
    return not issubclass(NotConnected, row.raised)


def _group_as_it_counts(group: Any, table: tuple[Row, ...]) -> BaseException:
    counts: BaseException = group
    try:
        within = [as_it_counts(each, table) for each in group.exceptions]
        lost = [a is not b for a, b in zip(within, group.exceptions, strict=True)]
        if any(lost):
            derived = group.derive(within)
            # Of a class without a derive() it is a plain group: what else is in it would count
            # by another class than it was raised in, which a policy may name.
            is_group = issubclass(type(derived), _GROUP)
            if type(derived) is type(group) or (is_group and all(lost)):
                counts = derived
    except Exception:  # noqa: BLE001 - a class of groups may have its own ideas
        return group  # type: ignore[no-any-return]
    return counts


def _kept_from_connecting(exc: BaseException) -> bool:
    """Whether it was raised while Django connected, by whatever is no error of a database."""
    # What this library raises, as at a time limit, is what it is wherever it strikes.
    if not issubclass(type(exc), Exception) or issubclass(type(exc), (SQSError, TimedOut)):
        return False
    # A backend's own connect() calls Django's, or stands for it.
    step = _traceback_of(exc)
    while step is not None:
        frame = step.tb_frame
        # By its type: whoever else connects may not let itself be asked.
        if frame.f_code.co_name == "connect" and issubclass(
            type(frame.f_locals.get("self")), BaseDatabaseWrapper
        ):
            return True
        step = step.tb_next
    return False
