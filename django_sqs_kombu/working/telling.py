"""Telling: a table of outcomes in words, for those who operate the queues."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType

from ..drops import MessageDropped
from ..exceptions import (
    Continue,
    EnvironmentFailure,
    KilledItsProcess,
    MessageDecodeError,
    MessageTargetMissing,
    TimedOut,
    TooOldToSendAgain,
)
from .cut_off import CutOff
from .retry import Exponential, Retry
from .table import Action, Row

#: What happens to a receiver without its raising anything, by what stands for that in a table.
_HAPPENS: dict[type[object], str] = {
    NoneType: "returns",
    MessageDropped: "is not run: the message expired, or was cancelled",
    KeyboardInterrupt: "is interrupted by Ctrl-C",
    CutOff: "is cut off at the stop",
    EnvironmentFailure: "cannot run: S3, SQS, the database or a thread is unavailable",
    MessageTargetMissing: "gets a message that refers to what does not exist",
    MessageDecodeError: "cannot get the message: its body is undecodable",
    KilledItsProcess: "has killed its process too often",
    TooOldToSendAgain: "was restarted for too long",
    TimedOut: "runs longer than its timeout",
    BaseException: "raises anything else",
}


def told(table: Iterable[Row], dead_letters: str | None = None) -> list[tuple[str, str]]:
    """What a receiver may do, and what becomes of its message, line by line.

    :param table: a queue's.
    :param dead_letters: the name of its dead-letter queue, where one was registered.
    """
    tries = 0
    lines = []
    for row in table:
        lines.append((_when(row, tries), _what(row, dead_letters)))
        tries = row.retry.tries if row.retry is not None else 0
    return lines


def _when(row: Row, tries: int) -> str:
    """:param tries: of the row before, where that is a Retry's: this one is for the last."""
    when = _HAPPENS.get(row.raised) or f"raises {row.raised.__qualname__}"
    if row.retry is not None:
        return f"{when}, before try {row.retry.tries}"
    if tries:
        return f"{when}, at try {tries}"
    return when if row.receives is None else f"{when}, for {row.receives} receives"


def _what(row: Row, dead_letters: str | None) -> str:
    if row.retry is not None:
        return f"tried again {_pauses(row.retry)}"
    if row.raised is Continue:
        return "sent again with its cursor"
    if row.action is Action.REQUEUE:
        return "tried again later"
    if row.action is Action.DEAD_LETTER and dead_letters is not None:
        return f"sent to {dead_letters}, with the reason"
    if row.action is Action.REJECT and dead_letters is not None:
        return f"left to SQS, which moves it to {dead_letters} after its receives"
    return str(row.action.value)


def _pauses(retry: Retry) -> str:
    if retry.backoff is None:
        return "after the usual backoff"
    more = " and up to half more" if retry.jitter else ""
    backoff = retry.backoff
    if isinstance(backoff, Exponential):
        grown = f"{backoff.factor:g} times as long each, up to {backoff.longest:g} s"
        return f"after {backoff.base:g} s, then {grown}{more}"
    if isinstance(backoff, tuple):
        return f"after {', '.join(f'{seconds:g}' for seconds in backoff)} s{more}"
    return f"after what {getattr(backoff, '__qualname__', backoff)} says{more}"
