"""Leases: which held messages are to be hidden for another visibility timeout, and when."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ...exceptions import RequestFailed, SQSError
from ...logs import get_logger
from ...quotas import MAX_MESSAGES
from ...reminders import Reminders
from ..sqs.failures import is_the_limit_of_holding
from ..sqs.received import Message
from .held import Held, State
from .table import HeldMessages

logger = get_logger(__name__)

#: The share of the visibility timeout after which a renewal without an answer is tried again,
#: on another connection, and the most seconds.
RETRY_SHARE, LONGEST_RETRY = 0.1, 5.0
#: The share of its timeout by which a lease that is nearly due goes along with one that is due:
#: a fuller request is a cheaper one.
NEARLY = 0.1
#: Seconds after which all of them are looked at, whatever was to be expected.
LOOK = 5.0


@dataclass(frozen=True, slots=True)
class Renewal:
    """Up to 10 messages of one queue whose leases are to be renewed by one request.

    :param messages: as they were received, whose receipts the request names.
    """

    queue: str
    held: list[Held]
    messages: list[Message]
    seconds: list[int]


class Leases:
    """The leases of what a channel holds, in every state; it has no thread.

    :param table: what is held.
    :param stale: whether a message that waits is better given back than renewed.
    """

    def __init__(self, table: HeldMessages, stale: Callable[[Held, float], bool]) -> None:
        self._table = table
        self._stale = stale
        self._reminders = Reminders()
        self._next_due = math.inf
        self._scan_at = 0.0

    def add(self, held: Iterable[Held]) -> None:
        """Messages have just been received."""
        with self._table.lock:
            for each in held:
                if each.renew_at < self._next_due:
                    self._next_due = each.renew_at

    def next_due(self) -> float:
        """When to look for leases to renew, on the monotonic clock; infinity: there are none.

        It may be too early, since what ends meanwhile is not counted.
        """
        return self._next_due

    def due(self, now: float) -> tuple[list[Held], list[Renewal]]:
        """What is due now: what is better given back, and what is to be renewed.

        What waits may be given back, since another worker may be free for it.  What is to be
        renewed counts as under way; a renewal that gets no answer is due again soon, so that a
        connection which has gone silent costs no lease.
        """
        with self._table.lock:
            if now < min(self._next_due, self._scan_at):
                return [], []
            self._scan_at = now + LOOK
            kept = self._table.all()
            held = [each for each in kept if _renewable(each)]
            due = [each for each in held if each.renew_at <= now]
            stale = [e for e in due if e.state is State.WAITING and self._stale(e, now)]
            for each in stale:
                # Should it be kept all the same, its turn comes again soon.
                each.renew_at = _soon(each, now)
            renewals = []
            for queue in dict.fromkeys(each.queue for each in due):
                of_it = (each for each in held if each.queue == queue and each not in stale)
                nearly = [each for each in of_it if _nearly_due(each, now)]
                nearly.sort(key=lambda each: each.renew_at)
                while nearly and nearly[0].renew_at <= now:
                    batch, nearly = nearly[:MAX_MESSAGES], nearly[MAX_MESSAGES:]
                    renewals.append(_renewal(queue, batch, now))
            # What is being hidden is renewable again, should that fail.
            self._next_due = min(
                (
                    max(now + LOOK / 5, e.renew_at) if e.hiding else e.renew_at
                    for e in kept
                    if _lasts(e)
                ),
                default=math.inf,
            )
            return stale, renewals

    def forget(self) -> None:
        """After a fork, in the child: the leases are the parent's."""
        self._next_due = math.inf

    def answered(
        self, renewal: Renewal, errors: Sequence[RequestFailed | None], asked_at: float
    ) -> None:
        """SQS answered a renewal that was asked for at *asked_at*; None: it is renewed."""
        # What is to be told is told without the lock: a handler that blocks must stop nobody.
        ended, refused = [], []
        with self._table.lock:
            for held, message, seconds, error in zip(
                renewal.held, renewal.messages, renewal.seconds, errors, strict=True
            ):
                held.renewals -= 1
                if held.message is not message:
                    # It came again meanwhile, with a lease of its own.
                    continue
                if error is None:
                    if self._renewed(held, seconds, asked_at):
                        ended.append(held)
                elif error.lost:
                    # Nobody renews what is lost; the delete that follows may fail, and may.
                    held.renewed = False
                    held.expires_at = min(held.expires_at, asked_at)
                elif _is_at_the_limit(held, error):
                    ended.append(held)
                else:
                    refused.append(error)
        _say_ended(ended)
        for error in refused:
            self._log(1, renewal.queue, error, asked_at)

    def failed(self, renewal: Renewal, error: Exception, asked_at: float) -> None:
        """A renewal got no answer, or one that is none; it is tried again."""
        with self._table.lock:
            ended, left = [], 0
            for held in renewal.held:
                held.renewals -= 1
                if _is_at_the_limit(held, error):
                    ended.append(held)
                else:
                    left += 1
        _say_ended(ended)
        if left:
            self._log(left, renewal.queue, error, asked_at)

    def _renewed(self, held: Held, seconds: int, asked_at: float) -> bool:
        """Count the new lease; return whether it was the last one that SQS gives."""
        if held.renewed and held.expires_at < asked_at + seconds:
            held.lease(asked_at, seconds)
        if seconds >= int(held.seconds):
            return False
        held.renewed = False
        return True

    def _log(self, count: int, queue: str, error: Exception, now: float) -> None:
        level = logging.WARNING if self._reminders.is_due(queue, now) else logging.DEBUG
        expected = isinstance(error, SQSError)
        logger.log(
            level,
            "%d leases of queue %s were not renewed, trying again: %s",
            count,
            queue,
            error if expected else repr(error),
            exc_info=None if expected else error,
        )


def _is_at_the_limit(held: Held, error: Exception) -> bool:
    """Whether SQS refused a renewal since its count of the 12 hours is ahead of ours.

    Any other refusal says nothing of the message: a policy, say, that is being changed.
    """
    if not (isinstance(error, RequestFailed) and is_the_limit_of_holding(error)):
        return False
    held.renewed = False
    return True


def _say_ended(ended: Iterable[Held]) -> None:
    for held in ended:
        logger.warning(
            "Message %s of queue %s was held for 12 hours, the limit of SQS: it is redelivered",
            held.message_id,
            held.queue,
        )


def _renewal(queue: str, batch: list[Held], now: float) -> Renewal:
    seconds = []
    for held in batch:
        held.renewals += 1
        held.renew_at = _soon(held, now)
        seconds.append(max(0, min(int(held.seconds), held.left(now))))
    return Renewal(queue, batch, [held.message for held in batch], seconds)


def _soon(held: Held, now: float) -> float:
    return now + min(LONGEST_RETRY, held.seconds * RETRY_SHARE)


def _lasts(held: Held) -> bool:
    return held.renewed and bool(held.seconds)


def _renewable(held: Held) -> bool:
    # While a request sets its visibility, a renewal could undo that.
    return _lasts(held) and not held.hiding


def _nearly_due(held: Held, now: float) -> bool:
    early = 0.0 if held.renewals else held.seconds * NEARLY
    return held.renew_at - early <= now
