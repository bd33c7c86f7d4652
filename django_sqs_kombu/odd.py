"""Odd exceptions: looking at what somebody raised may raise as well."""

from __future__ import annotations

from traceback import TracebackException
from typing import Any, TypeVar

from .exceptions import ReceiverFailed, TimedOut, kind_of
from .printable import repr_of

#: The traceback of an exception, and its cause, whatever its class says.
traceback_of: Any = BaseException.__dict__["__traceback__"].__get__
cause_of: Any = BaseException.__dict__["__cause__"].__get__

E = TypeVar("E", bound=BaseException)


def as_a(raised: BaseException | None, cls: type[E]) -> E | None:
    """*raised* if it is a *cls*, without looking at it, as ``isinstance`` does; else None."""
    # The first is what Python itself sees where it looks for an except clause.
    return raised if issubclass(type(raised), cls) else None  # type: ignore[return-value]


def sound(raised: BaseException, *, alone: bool = False) -> BaseException:
    """*raised*; if it cannot be looked at, a :class:`ReceiverFailed` with its traceback.

    That is so where its class, or that of something that led to it, has properties that fail.

    :param alone: whether nobody looks at what led to it.
    """
    if _is_sound(raised, alone):
        return raised
    error = ReceiverFailed(repr_of(raised), _kind(raised))
    return error.with_traceback(traceback_of(raised))


def _is_sound(raised: BaseException, alone: bool) -> bool:
    try:
        bool(raised)
        if not alone:
            # Looks at what led to it, and what it is a group of, as whoever writes a traceback
            # does; no line of code is read.
            led = TracebackException(type(raised), raised, None, limit=0, compact=True)
            list(led.format())
        return raised.__class__ is type(raised)
    except TimedOut:
        # Of the receiver that is looked after.
        raise
    except Exception:  # noqa: BLE001 - whatever its properties may raise
        return False


def _kind(raised: BaseException) -> type[BaseException]:
    """Its class, or the closest base class that can be asked for its name."""
    failed = as_a(raised, ReceiverFailed)
    for kind in type.mro(type(raised) if failed is None else kind_of(failed)):
        try:
            if f"{kind.__module__}.{kind.__qualname__}" and issubclass(kind, BaseException):
                return kind
        except Exception:  # noqa: BLE001, S112 - the same
            continue
    return BaseException
