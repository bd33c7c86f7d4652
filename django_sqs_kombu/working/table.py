"""The table of outcomes: what becomes of a message, by what its receiver raised."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

from ..exceptions import (
    ConfigurationError,
    EnvironmentFailure,
    KilledItsProcess,
    MessageDecodeError,
    MessageTargetMissing,
    ReceiverFailed,
    RestartLater,
    TimedOut,
    TooOldToSendAgain,
)

#: The receives after which a message whose target is not there (yet) is tried again: while a
#: new version of a program is rolled out, another process may have it.
TARGET_RECEIVES = 4


class Action(enum.Enum):
    """What is done with a message after its receiver."""

    DELETE = "deleted"
    REQUEUE = "left in the queue for later"
    REJECT = "deleted, or left to the redrive policy of its queue"
    RELEASE = "given back, visible at once"


#: The receives for which what a registry names is tried again, unless it says otherwise.
RETRY_TRIES = 10


@dataclass(frozen=True, slots=True)
class Retry:
    """What a registry's receivers may raise for a reason that passes.

    :param on: the exceptions.
    :param tries: receives of a message for which they are such a reason.
    """

    on: tuple[type[BaseException], ...] = ()
    tries: int = RETRY_TRIES

    def __post_init__(self) -> None:
        for each in self.on:
            if not (isinstance(each, type) and issubclass(each, BaseException)):
                raise ConfigurationError(f"retry_on must name exception classes, not {each!r}")
        whole = isinstance(self.tries, int) and not isinstance(self.tries, bool)
        if not whole or self.tries < 0:
            raise ConfigurationError(
                f"retry_tries must be a whole number from 0, not {self.tries!r}"
            )


#: Nothing that receivers raise passes.
NO_RETRY = Retry()


class Named(BaseException):
    """Stands in the table for the exceptions that a :class:`Retry` names; never raised."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    :param raised: what the receiver raised; ``NoneType`` where it returned.
    :param action: what is done with the message.
    :param level: the level of the log record.
    :param says: the record's text after the message's id.
    :param traceback: whether the record has the traceback and the body.
    :param reason: whether what was raised is told, without its traceback.
    :param receives: the row counts for so many receives of a message; None: for all.
    """

    raised: type[object]
    action: Action
    level: int
    says: str
    traceback: bool = False
    reason: bool = False
    receives: int | None = None

    def fits(self, raised: BaseException | None, receives: int, retry: Retry) -> bool:
        """Whether the row is for what was raised at a message's *receives*-th receive."""
        if self.raised is Named:
            return _names(retry, raised) and receives <= retry.tries
        if self.receives is not None and receives > self.receives:
            return False
        return _is(raised, self.raised)


def _names(retry: Retry, raised: BaseException | None) -> bool:
    # A message class that runs a query may meet what a receiver may.
    if isinstance(raised, MessageDecodeError) and raised.kind is not None:
        return issubclass(raised.kind, retry.on)
    return _is(raised, retry.on)


def _is(raised: BaseException | None, classes: type[object] | tuple[type[object], ...]) -> bool:
    if isinstance(raised, ReceiverFailed) and raised.kind is not None:
        return issubclass(raised.kind, classes)
    return isinstance(raised, classes)


_LATER = "is tried again later"

#: The first row that fits counts.  What it requeues without a delay of its own waits for a
#: backoff.
TABLE = (
    Row(type(None), Action.DELETE, logging.DEBUG, "was received"),
    Row(RestartLater, Action.REQUEUE, logging.INFO, "is to be restarted later"),
    Row(KeyboardInterrupt, Action.RELEASE, logging.INFO, "was interrupted"),
    Row(EnvironmentFailure, Action.REQUEUE, logging.ERROR, _LATER, reason=True),
    Row(
        MessageTargetMissing,
        Action.REQUEUE,
        logging.WARNING,
        _LATER,
        reason=True,
        receives=TARGET_RECEIVES,
    ),
    Row(Named, Action.REQUEUE, logging.WARNING, _LATER, reason=True),
    Row(
        MessageTargetMissing,
        Action.REJECT,
        logging.ERROR,
        "names what is not there",
        traceback=True,
    ),
    Row(MessageDecodeError, Action.REJECT, logging.ERROR, "cannot be decoded", traceback=True),
    Row(
        KilledItsProcess,
        Action.REJECT,
        logging.ERROR,
        "has killed its process too often",
        traceback=True,
    ),
    Row(
        TooOldToSendAgain,
        Action.REJECT,
        logging.ERROR,
        "was restarted for too long",
        traceback=True,
    ),
    Row(TimedOut, Action.REJECT, logging.ERROR, "took its receiver too long", traceback=True),
    Row(BaseException, Action.REJECT, logging.ERROR, "made its receiver fail", traceback=True),
)


def row_for(raised: BaseException | None, receives: int = 1, retry: Retry = NO_RETRY) -> Row:
    """The row of the table for what a receiver raised, or None where it returned.

    :param receives: how often the message was received, this time included.
    :param retry: what is tried again in this registry.
    """
    if raised is None:
        return TABLE[0]
    return next(row for row in TABLE if row.fits(raised, receives, retry))
