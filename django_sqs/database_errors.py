"""Database errors: whether they are of the database, or of what is written to it."""

from __future__ import annotations

import builtins
from typing import Any

from django.db import (
    DataError,
    Error,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

#: PostgreSQL's SQLSTATEs of a statement that was prepared already, or is not prepared.
_PREPARED = frozenset({"42P05", "26000"})
#: Where PostgreSQL raises what has no SQLSTATE of its own: what a statement returns has changed.
_REVALIDATED = "RevalidateCachedQuery"


#: Python 3.10 has none.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())


class StatementLost(OperationalError, ProgrammingError, NotSupportedError):
    """A statement that was prepared cannot be run as it is, whatever it is to do.

    A pooler has handed out another connection of its server, or a migration has changed the type
    of a column.  It is of the classes, too, by one of which Django calls it.
    """


def is_of_database(exc: BaseException) -> bool:
    """Whether *exc* is an error of a database, and says nothing about what was written."""
    return isinstance(exc, Error) and not isinstance(exc, DataError | IntegrityError)


def sqlstate(exc: BaseException) -> str | None:
    """What PostgreSQL calls the error that *exc* was made of; None: its driver does not say."""
    cause = exc.__cause__
    # psycopg, and psycopg2.
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def as_it_counts(exc: BaseException) -> BaseException:
    """*exc*, or the StatementLost that it is; of a group, with what each in it is."""
    # By its type: what a receiver raises may not let itself be asked.
    if issubclass(type(exc), _GROUP):
        return _group_as_it_counts(exc)
    if not issubclass(type(exc), Error) or issubclass(type(exc), StatementLost):
        return exc
    where = getattr(getattr(exc.__cause__, "diag", None), "source_function", None)
    if sqlstate(exc) not in _PREPARED and where != _REVALIDATED:
        return exc
    return StatementLost(*exc.args)


def _group_as_it_counts(group: Any) -> BaseException:
    counts: BaseException = group
    try:
        within = [as_it_counts(each) for each in group.exceptions]
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
