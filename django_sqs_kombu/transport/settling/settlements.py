"""Settlements: deletes and visibility changes, collected and tried until SQS has confirmed them."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ...exceptions import RequestFailed
from ...logs import get_logger
from ...quotas import MAX_MESSAGES
from ...reminders import Reminders
from ..holding.held import Held, State
from ..holding.table import HeldMessages
from ..sqs.failures import can_be_put_right, is_denied
from ..sqs.received import Message

logger = get_logger(__name__)

#: Seconds before a settlement that failed is tried again: doubled from the first to the last.
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
#: Seconds after the end of its lease that a settlement is still tried: until somebody else
#: has received the message, it is not too late.
AFTER_EXPIRY = 60.0
#: Messages of a queue of which it is said within a minute that their first try has failed: where
#: SQS refuses some of its requests for hours, that must not fill the log.
MOST_TOLD = 10
#: Seconds that a visibility change waits for a renewal under way, which could undo it.
STEP_ASIDE = 0.05

Key = tuple[str, bool]
#: Records that are made once the lock is free: a handler that blocks must stop nobody else.
Said = list[Callable[[], None]]


@dataclass(slots=True, eq=False)
class Settlement:
    """What is to become of a held message.

    :param held: the message.
    :param seconds: hide it for so long from then on, 0 to 43,200; None: delete it.
    :param due: when it is to be sent at the latest, on the monotonic clock.
    :param with_payload: whether a deletion is also its payload's in S3.
    :param silent: SQS is told nothing: it redelivers the message after its timeout.
    :ivar tries: how often it has failed.
    :ivar refused: whether it failed for a reason that does not pass by itself.
    """

    held: Held
    seconds: int | None
    due: float
    with_payload: bool = True
    silent: bool = False
    tries: int = 0
    refused: bool = False

    @property
    def key(self) -> Key:
        """What can share a request: settlements of one queue, deletes or not."""
        return self.held.queue, self.seconds is None


@dataclass(frozen=True, slots=True)
class Batch:
    """Settlements that one request sends.

    :param messages: as they were received, whose receipts the request names.
    :param seconds: the visibility of each, cut to what SQS takes; empty: they are deletes.
    """

    queue: str
    settlements: list[Settlement]
    messages: list[Message]
    seconds: list[int]

    @property
    def deletes(self) -> bool:
        """Whether they are deletes."""
        return not self.seconds


def no_longer_held(held: Held) -> RequestFailed:
    """What is raised where a message is to be deleted that is somebody else's by now."""
    return RequestFailed(
        f"Message {held.message_id} of queue {held.queue} is no longer held",
        operation="DeleteMessageBatch",
        queue=held.queue,
        code="NotHeld",
        lost=True,
    )


class Settlements:
    """What waits to be sent, is under way, or is to be tried again; it has no thread.

    :param table: what is held; every settlement's message is in it, and its lease is renewed,
        until SQS has confirmed the settlement.
    """

    def __init__(self, table: HeldMessages) -> None:
        self._table = table
        self._fresh: dict[Key, deque[Settlement]] = {}
        self._again: list[Settlement] = []
        self._under_way = 0
        self._hastens = False
        self._given_up = False
        self._reminders = Reminders()

    def add(self, settlement: Settlement) -> bool:
        """Collect a settlement, under the table's lock; return whether it fills a request."""
        key = settlement.held.queue, settlement.seconds is None
        collected = self._fresh.get(key)
        if collected is None:
            collected = self._fresh[key] = deque()
        collected.append(settlement)
        return len(collected) % MAX_MESSAGES == 0

    def next_due(self) -> float:
        """When the next is to be sent, on the monotonic clock; infinity: none."""
        with self._table.lock:
            return min((each.due for each in self._heads()), default=math.inf)

    @property
    def done(self) -> bool:
        """Whether nothing is collected, under way or to be tried again."""
        with self._table.lock:
            return not (self._fresh or self._again or self._under_way)

    @property
    def next_try(self) -> float:
        """When the next that has failed is to be sent again; infinity: none has."""
        with self._table.lock:
            return min((each.due for each in self._again), default=math.inf)

    def all_ripe(self, now: float, most: int, *, hurry: bool = False) -> list[Batch]:
        """What is to be sent now, in *most* requests at most; it then is under way.

        That is what fills a request, or is due.

        :param hurry: send what is collected, however little it is.
        """
        with self._table.lock:
            batches: list[Batch] = []
            keys = [
                key
                for key, collected in self._fresh.items()
                if hurry or len(collected) >= MAX_MESSAGES or collected[0].due <= now
            ]
            for key in keys:
                while len(batches) < most and (
                    batch := self._fresh_batch(key, self._fresh.get(key), now, hurry=hurry)
                ):
                    batches.append(batch)
            while self._again and len(batches) < most and (batch := self._batch_again(now)):
                batches.append(batch)
            return batches

    def _fresh_batch(
        self, key: Key, collected: deque[Settlement] | None, now: float, *, hurry: bool
    ) -> Batch | None:
        while collected and (hurry or len(collected) >= MAX_MESSAGES or collected[0].due <= now):
            count = min(len(collected), MAX_MESSAGES)
            chosen = [collected.popleft() for _ in range(count)]
            if not collected:
                del self._fresh[key]
            if (batch := self._send(key, chosen, now)) is not None:
                return batch
        return None

    def _batch_again(self, now: float) -> Batch | None:
        while True:
            due = [each for each in self._again if each.due <= now]
            if not due:
                return None
            key = due[0].key
            chosen = [each for each in due if each.key == key][:MAX_MESSAGES]
            self._again = [each for each in self._again if each not in chosen]
            if (batch := self._send(key, chosen, now)) is not None:
                return batch

    def answered(
        self, batch: Batch, errors: Sequence[RequestFailed | None], now: float
    ) -> list[Settlement]:
        """SQS answered; return the settlements that it has confirmed."""
        confirmed = []
        said: Said = []
        with self._table.lock:
            self._under_way -= 1
            for settlement, message, error in zip(
                batch.settlements, batch.messages, errors, strict=True
            ):
                settlement.held.hiding = False
                if settlement.held.message is not message:
                    # It came again meanwhile: what counts is its latest receipt.
                    settlement.due = now
                    self._again.append(settlement)
                elif error is None:
                    confirmed.append(settlement)
                elif error.lost:
                    said.append(partial(_say_lost, settlement.held, error))
                    self._table.end(settlement.held)
                else:
                    self._failed(settlement, error, now, said)
            ended = [each.held for each in confirmed]
            self._table.end_all(batch.queue, ended, deleted=batch.deletes)
            self._table.confirmed(batch.queue, len(confirmed))
        _say(said)
        return confirmed

    def failed(self, batch: Batch, error: Exception, now: float) -> None:
        """The request as a whole failed."""
        said: Said = []
        with self._table.lock:
            self._under_way -= 1
            self._table.not_confirmed(batch.queue)
            for settlement in batch.settlements:
                settlement.held.hiding = False
                self._failed(settlement, error, now, said)
        _say(said)

    def tried_again(
        self, settlements: Sequence[Settlement], error: Exception, now: float
    ) -> list[Settlement]:
        """Their notes could not be written; return those that are tried again when due."""
        said: Said = []
        with self._table.lock:
            again = [each for each in settlements if self._tried_again(each, error, now, said)]
        _say(said)
        return again

    def hasten(self, now: float) -> None:
        """Somebody waits for the last of them: give up what SQS refuses, not what passes by itself.

        What was refused before is tried once more, at once.
        """
        with self._table.lock:
            self._hastens = True
            for each in self._again:
                if each.refused:
                    each.due = now

    def give_up(self, reason: str, more: Iterable[Settlement] = ()) -> None:
        """Stop trying, also what is under way should it fail; log what was not settled.

        :param more: what has not come here yet.
        """
        with self._table.lock:
            self._given_up = True
            left = [*self._again, *(each for fresh in self._fresh.values() for each in fresh)]
            self._fresh.clear()
            self._again.clear()
        for settlement in (*left, *more):
            self._table.end(settlement.held)
            _say_given_up(settlement.held, reason)

    def forget(self) -> None:
        """After a fork, in the child: all of it is the parent's."""
        self._fresh.clear()
        self._again.clear()
        self._under_way = 0
        self._hastens = self._given_up = False

    def _heads(self) -> Iterator[Settlement]:
        yield from (collected[0] for collected in self._fresh.values())
        yield from self._again

    def _send(self, key: Key, chosen: list[Settlement], now: float) -> Batch | None:
        queue, deletes = key
        if not deletes:
            renewing = [each for each in chosen if each.held.renewals]
            for each in renewing:
                each.due = now + STEP_ASIDE
                self._again.append(each)
            chosen = [each for each in chosen if not each.held.renewals]
            if not chosen:
                return None
        self._under_way += 1
        seconds = []
        for each in chosen:
            if each.seconds is not None:
                each.held.hiding = True
                seconds.append(min(each.seconds, each.held.left(now)))
        return Batch(queue, chosen, [each.held.message for each in chosen], seconds)

    def _failed(self, settlement: Settlement, error: Exception, now: float, said: Said) -> None:
        if settlement.held.state is State.GONE:
            # It came again, and whoever has it now decides.
            return
        if self._tried_again(settlement, error, now, said):
            self._again.append(settlement)

    def _tried_again(
        self, settlement: Settlement, error: Exception, now: float, said: Said
    ) -> bool:
        over = now > settlement.held.expires_at + AFTER_EXPIRY
        settlement.refused = isinstance(error, RequestFailed) and not error.passing
        # Once more in any case: keys that were exchanged are found again after the first refusal.
        vain = self._given_up or (self._hastens and settlement.refused and settlement.tries > 0)
        if vain or over or _is_final(settlement, error):
            self._table.end(settlement.held)
            said.append(partial(_say_given_up, settlement.held, error))
            return False
        settlement.tries += 1
        settlement.due = now + min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(settlement.tries, 10))
        said.append(
            partial(_say_tried_again, self._level(settlement, error, now), settlement.held, error)
        )
        return True

    def _level(self, settlement: Settlement, error: Exception, now: float) -> int:
        """How loudly it is said that a settlement is tried again."""
        denied = isinstance(error, RequestFailed) and is_denied(error)
        about, most = (settlement.held.queue, denied), 1 if denied else MOST_TOLD
        if not self._reminders.is_due(about, now, most=most, news=settlement.tries <= 1):
            return logging.DEBUG
        # Until the policy is corrected, soon nothing more is received from the queue.
        return logging.ERROR if denied else logging.WARNING


def _is_final(settlement: Settlement, error: Exception) -> bool:
    """Whether another try would end as this one has."""
    if not isinstance(error, RequestFailed):
        # No answer of SQS, or a fault of our own: that can pass.
        return False
    if settlement.seconds is not None and is_denied(error):
        # Given up, it comes again after its timeout, and nothing is done twice.  Were it tried
        # again, it could come again meanwhile, and would be taken for settled.
        return True
    return not can_be_put_right(error)


def _say(said: Said) -> None:
    for each in said:
        each()


def _say_tried_again(level: int, held: Held, error: Exception) -> None:
    logger.log(
        level,
        "Message %s of queue %s was not settled, trying again: %s",
        held.message_id,
        held.queue,
        error,
    )


def _say_given_up(held: Held, reason: object) -> None:
    logger.error(
        "Message %s of queue %s could not be settled, SQS may redeliver it: %s",
        held.message_id,
        held.queue,
        reason,
    )


def _say_lost(held: Held, error: RequestFailed) -> None:
    logger.warning(
        "Message %s of queue %s is no longer held here: its visibility timeout has passed (%s). "
        "A longer visibility_timeout avoids that.",
        held.message_id,
        held.queue,
        error.code,
    )
