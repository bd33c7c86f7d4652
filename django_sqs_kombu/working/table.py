"""The table of outcomes: what becomes of a message, depending on what its receiver raised."""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from ..drops import MessageDropped
from ..exceptions import (
    Continue,
    EnvironmentFailure,
    KilledItsProcess,
    MessageDecodeError,
    MessageTargetMissing,
    NotTriedAgain,
    RestartLater,
    TimedOut,
    TooOldToSendAgain,
    kind_of,
)
from ..logs import get_logger
from ..printable import repr_of
from ..quotas import LARGEST_MAX_RECEIVES
from .cut_off import CutOff
from .policy import DELETE, NO_POLICY, Policy
from .retry import Exceptions, Retry

logger = get_logger(__name__)

#: The receives after which a message whose target is not there (yet) is tried again: while a
#: new version of a program is rolled out, another process may have it.
TARGET_RECEIVES = 4


class Passing(Protocol):
    """What says which exceptions of receivers pass: a registry."""

    @property
    def passing(self) -> Retry:
        """After which exceptions a message is tried again, and how often."""


class Decided(Protocol):
    """A queue whose table is asked for."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def policy(self) -> Policy:
        """What happens to a message whose receiver fails."""

    @property
    def receivers(self) -> Passing:
        """Its registry."""


class Action(enum.Enum):
    """What is done with a message after its receiver."""

    DELETE = "deleted"
    REQUEUE = "left in the queue for later"
    REJECT = "deleted, or left to the redrive policy of its queue"
    RELEASE = "given back, visible at once"
    DISCARD = "deleted, as its queue's policy says"
    DEAD_LETTER = "sent to the dead-letter queue with the reason; deleted where there is none"


#: The actions after which a message that failed comes to no receiver again.
ENDS = (Action.REJECT, Action.DISCARD, Action.DEAD_LETTER)


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a message was tried, including this time.

    :param receives: how often it was received, whatever became of it, and sent again.
    :param tries: the same, without those that do not count as tries.
    """

    receives: int = 1
    tries: int = 1


#: It was never tried before.
FIRST = Attempts()


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
    :param retry: the queue's own policy that the row is of: it counts while tries are left.
    :param named: whether the project named the exception, here or for all queues.
    """

    raised: type[object]
    action: Action
    level: int
    says: str
    traceback: bool = False
    reason: bool = False
    receives: int | None = None
    retry: Retry | None = None
    named: bool = False

    def fits(self, raised: BaseException | None, attempts: Attempts) -> bool:
        """Whether the row is for what was raised, after so many attempts."""
        if self.receives is not None and attempts.receives > self.receives:
            return False
        if self.retry is not None and attempts.tries >= self.retry.tries:
            return False
        if not self.named:
            return _is(raised, self.raised)
        return self._is_named(raised)

    def _is_named(self, raised: BaseException | None) -> bool:
        again = self.action is Action.REQUEUE
        if isinstance(raised, NotTriedAgain) and again:
            return False
        if isinstance(raised, MessageDecodeError) and not issubclass(
            self.raised, MessageDecodeError
        ):
            # A message class that runs a query may meet what a receiver may.
            if raised.kind is not None:
                return issubclass(raised.kind, self.raised)
            # A body that cannot be read is none the better for another try.
            if again:
                return False
        return _is(raised, self.raised)


def _is(raised: BaseException | None, cls: type[object]) -> bool:
    return isinstance(None, cls) if raised is None else issubclass(kind_of(raised), cls)


_LATER = "is tried again later"

#: What no policy changes, before what the project names.
_HEAD = (
    Row(type(None), Action.DELETE, logging.DEBUG, "was received"),
    Row(Continue, Action.REQUEUE, logging.INFO, "is to go on from its cursor"),
    Row(RestartLater, Action.REQUEUE, logging.INFO, "is to be restarted later"),
    Row(MessageDropped, Action.DISCARD, logging.INFO, "is dropped without being run", reason=True),
    Row(KeyboardInterrupt, Action.RELEASE, logging.INFO, "was interrupted"),
    Row(CutOff, Action.RELEASE, logging.ERROR, "was cut off at the stop and is given back"),
    Row(EnvironmentFailure, Action.REQUEUE, logging.ERROR, _LATER, reason=True),
    Row(
        MessageTargetMissing,
        Action.REQUEUE,
        logging.WARNING,
        _LATER,
        reason=True,
        receives=TARGET_RECEIVES,
    ),
)
#: What the project named nothing for.
_TAIL = tuple(
    Row(raised, Action.REJECT, logging.ERROR, says, traceback=True)
    for raised, says in (
        (MessageTargetMissing, "refers to what does not exist"),
        (MessageDecodeError, "cannot be decoded"),
        (KilledItsProcess, "has killed its process too often"),
        (TooOldToSendAgain, "was restarted for too long"),
        (TimedOut, "took its receiver too long"),
        (BaseException, "made its receiver fail"),
    )
)

#: The table of a queue for which the project named nothing.  The first row that fits counts.
#: What it requeues without a delay of its own waits for a backoff.
TABLE = (*_HEAD, *_TAIL)

#: Nothing that receivers raise passes.
NO_RETRY = Retry(())


@lru_cache(maxsize=256)
def table_of(policy: Policy = NO_POLICY, passing: Retry = NO_RETRY) -> tuple[Row, ...]:
    """The table of a queue: :data:`TABLE`, and between its two halves what the project names.

    A class stands before its base classes, whatever it is named for, so that the most specific
    one counts.

    :param policy: the queue's.
    :param passing: what receivers of its registry may raise for a reason that passes, for so
        many receives; then it is an exception as any other.
    """
    named = [*_of_policy(policy), *_of_passing(passing)]
    # Sorting is stable: of one class that is named twice the queue's own counts.
    named.sort(key=lambda row: -len(row.raised.__mro__))
    tail = _TAIL
    if policy.on_error == DELETE:
        tail = tuple(replace(row, action=Action.DISCARD) for row in _TAIL)
    return (*_HEAD, *named, *tail)


def _of_policy(policy: Policy) -> Iterator[Row]:
    for cls in policy.discard or ():
        yield Row(cls, Action.DISCARD, logging.INFO, "is discarded", reason=True, named=True)
    for cls in policy.dead_letter or ():
        says = "is sent to the dead letters"
        yield Row(cls, Action.DEAD_LETTER, logging.ERROR, says, traceback=True, named=True)
    end = Action.DISCARD if policy.on_error == DELETE else Action.DEAD_LETTER
    for retry in policy.retry or ():
        for cls in retry.on:
            yield Row(
                cls, Action.REQUEUE, logging.WARNING, _LATER, reason=True, retry=retry, named=True
            )
            # Also of what no further try can help, at once.
            says = f"is not tried again (tries: {retry.tries})"
            yield Row(cls, end, logging.ERROR, says, traceback=True, named=True)


def _of_passing(passing: Retry) -> Iterator[Row]:
    on: Exceptions = passing.on
    for cls in on:
        yield Row(
            cls,
            Action.REQUEUE,
            logging.WARNING,
            _LATER,
            reason=True,
            receives=passing.tries,
            named=True,
        )


#: While nothing can be decided no message is lost by it: what fails is tried again.
UNDECIDED = table_of(passing=Retry((Exception,), LARGEST_MAX_RECEIVES))


def table_now(queue: Decided, before: tuple[Row, ...]) -> tuple[Row, ...]:
    """The table of a queue, by what it and its registry say now.

    :param before: its table so far; stays where they cannot say, as of a setting that is changed
        while messages are received, and is wrong.
    """
    try:
        return table_of(queue.policy, queue.receivers.passing)
    except Exception as exc:  # noqa: BLE001 - whatever an import of what is named raises
        logger.warning(
            "What becomes of failures of queue %s is decided as before: %s",
            queue.name,
            repr_of(exc),
        )
        return before


def row_for(
    raised: BaseException | None,
    attempts: Attempts = FIRST,
    table: tuple[Row, ...] = TABLE,
) -> Row:
    """The row of a *table* for what a receiver raised, or None where it returned."""
    if raised is None:
        return table[0]
    return next(row for row in table if _fits(row, raised, attempts))


def _fits(row: Row, raised: BaseException, attempts: Attempts) -> bool:
    if row.raised is BaseException and not row.named:
        return True
    try:
        return row.fits(raised, attempts)
    except Exception:  # noqa: BLE001 - whatever a class that was named may raise when it is asked
        return False
