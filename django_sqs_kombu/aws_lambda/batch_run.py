"""BatchRun: the receiver of one queue, run on the messages of one invocation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any

import kombu
from kombu.serialization import prepare_accept_content

from ..exceptions import RestartLater, SQSError, TimedOut
from ..logs import get_logger
from ..messages import RawMessage
from ..names import FIFO
from ..quotas import MAX_VISIBILITY_TIMEOUT
from ..registration import RegisteredQueue
from ..transport import Channel, Delivery
from ..transport.holding.held import Held, State
from ..transport.sqs.received import Message, group_of
from ..working.batches import Settled, receive_together
from ..working.calls_under_way import waits_until
from ..working.gate import Gate
from ..working.going_on import worker_stops
from ..working.handling import handle
from ..working.left_behind import let_go_of_frames
from ..working.outcomes import settle
from ..working.queue_consumer import ACCEPT
from ..working.table import Action
from .deletions import Deletions
from .function_time import FunctionTime

logger = get_logger(__name__)

#: Seconds that any receiver may need: with less left none is started.
LEAST_TIME = 0.2
#: What may live on as another message.
_SENT = (Action.REQUEUE, Action.DEAD_LETTER)

_accept = prepare_accept_content(ACCEPT)


class NotStarted(RestartLater):
    """The function's time did not last for a message, or one before it in its group stays."""

    def __init__(self) -> None:
        super().__init__(delay=0)


class CutShort(RestartLater):
    """The function's time ended before the receiver did.

    It is tried again, as nobody has said that the receiver may take no longer.  It counts, so
    that a message for which the time never lasts ends with the dead letters.
    """

    def __init__(self) -> None:
        super().__init__(counts=True)


class BatchRun:
    """Handles the messages of one queue, one after the other, or batch after batch.

    What is not started, since the function's time would not last for it, is left in the queue.
    So is the rest of a FIFO queue's message group when one of its messages stays.

    :param registered: the queue, with a receiver.
    :param queue: the queue as it is declared.
    :param deletions: what leaves to Lambda those that are done.
    :param function_time: of the invocation.
    """

    def __init__(
        self,
        registered: RegisteredQueue,
        queue: kombu.Queue,
        channel: Channel,
        deletions: Deletions,
        function_time: FunctionTime,
    ) -> None:
        self._registered = registered
        self._queue = queue
        self._channel = channel
        self._deletions = deletions
        self._time = function_time
        self._gate = Gate()
        self._longest = 0.0
        self._stopped_groups: set[str] = set()

    def run(self, messages: Sequence[Message]) -> list[Held]:
        """Handle *messages*; return what was held of them."""
        # How long they are ours is Lambda's concern: it lets no queue have a visibility timeout
        # below the function's.
        held = self._channel.intake.hold(
            self._queue.name, messages, MAX_VISIBILITY_TIMEOUT, state=State.DELIVERED
        )
        chosen: list[Held] = []
        for each in held:
            if _group(each) in self._stopped_groups:
                self._put_off(each)
                continue
            chosen.append(each)
            if len(chosen) == (self._registered.batch or 1):
                self._handle(chosen)
                chosen = []
        if chosen:
            self._handle(chosen)
        return held

    def _handle(self, chosen: Sequence[Held]) -> None:
        """Handle one message, or a batch."""
        if self._may_start():
            self._start(chosen)
        else:
            for each in chosen:
                self._put_off(each)
        for each in chosen:
            if not each.deleted and (group := _group(each)) is not None:
                self._stopped_groups.add(group)

    def _may_start(self) -> bool:
        left = self._time.for_receivers
        if left < LEAST_TIME:
            return False
        if not self._longest:
            # The first has all the time that there can be.
            return True
        timeout = self._registered.timeout
        if timeout is None or timeout > self._time.whole:
            timeout = self._longest
        return left >= timeout

    def _start(self, chosen: Sequence[Held]) -> None:
        began = time.monotonic()
        token = worker_stops.set(self._time.stops)
        until = waits_until.set(self._time.receivers_end_at)
        try:
            deliveries = [self._read(each) for each in chosen]
            for delivery, handled in self._received(self._in_time(), deliveries):
                message = handled.attempt.message
                split = message is not None and message.parts() is not None
                if split or handled.action in _SENT:
                    self._delete_now(delivery)
                if handled.attempt.raised is not None:
                    let_go_of_frames(handled.attempt.raised)
        except BaseException as exc:
            self._abandon(chosen)
            if not isinstance(exc, Exception):
                raise
            names = ", ".join(each.message_id for each in chosen)
            logger.exception("Handling messages failed; SQS redelivers %s", names)
        finally:
            waits_until.reset(until)
            worker_stops.reset(token)
            self._longest = max(self._longest, time.monotonic() - began)

    def _received(
        self, registered: RegisteredQueue, deliveries: Sequence[Delivery]
    ) -> Iterable[Settled]:
        if registered.batch is not None:
            return receive_together(registered, self._queue, deliveries, self._gate)
        return [(each, handle(registered, each, self._queue)) for each in deliveries]

    def _read(self, held: Held) -> Delivery:
        if self._registered.message_class.delete is RawMessage.delete:
            # Else something that belongs to it goes, too.
            self._deletions.leave(held)
        self._channel.intake.read(held)
        return self._delivery(held)

    def _delivery(self, held: Held) -> Delivery:
        delivery = Delivery(self._channel.payload(held), channel=self._channel, accept=_accept)
        self._channel.qos.append(delivery, delivery.delivery_tag)
        return delivery

    def _in_time(self) -> RegisteredQueue:
        """The queue, each run of its receiver cut to what is left of the function's time then."""
        left = self._time.for_receivers
        registered = self._registered
        lasts = registered.timeout is not None and registered.timeout <= left
        # The receiver of a batch may run several times: on its halves, or on single messages.
        if left == math.inf or (lasts and registered.batch is None):
            return registered
        registered = copy(registered)
        started: set[int] = set()
        for name in ("receive", "receive_batch"):
            setattr(registered, name, self._cutting_short(registered, name, started))
        return registered

    def _cutting_short(
        self, registered: RegisteredQueue, name: str, started: set[int]
    ) -> Callable[[Any], Any]:
        """The method *name* of *registered* within the function's time.

        :param started: the messages that the receiver was run on.
        """
        receive, own = getattr(registered, name), self._registered.timeout

        def cutting_short(messages: Any) -> Any:
            given = {id(each) for each in (messages if isinstance(messages, list) else [messages])}
            left = self._time.for_receivers
            if left < LEAST_TIME:
                if started.isdisjoint(given):
                    raise NotStarted
                self._warn_of_the_end()
                raise CutShort
            is_cut = own is None or own > left
            # What looks after the messages must know of it, too, so it is the queue's.
            registered.timeout = left if is_cut else own
            started.update(given)
            try:
                return receive(messages)
            except TimedOut as exc:
                if not is_cut:
                    raise
                self._warn_of_the_end()
                raise CutShort from exc

        return cutting_short

    def _warn_of_the_end(self) -> None:
        logger.warning(
            "Queue %s: the function's time ended before the receiver did. Give the "
            "function a longer timeout, or the queue a shorter one",
            self._queue.name,
        )

    def _put_off(self, held: Held) -> None:
        if self._time.hurries:
            self._channel.keeper.release([held])
            return
        try:
            # A receive that nothing was started for is not to count, where that can be helped.
            settle(self._registered, self._delivery(held), None, NotStarted())
        except Exception:
            self._abandon([held])
            logger.exception(
                "Message %s could not be given back; SQS redelivers it after its visibility "
                "timeout",
                held.message_id,
            )

    def _abandon(self, held: Iterable[Held]) -> None:
        """Hold no more what was not settled: SQS redelivers it."""
        for each in held:
            if (delivery := self._channel.qos.find(each.tag)) is not None:
                self._channel.abandon(delivery)
            elif each.state is State.DELIVERED:
                self._channel.keeper.abandon(each)

    def _delete_now(self, delivery: Delivery) -> None:
        """Delete a message that lives on as others, if it does.

        Should the function break off before its end, Lambda would deliver it beside them.
        """
        if not delivery.held.deleted:
            return
        try:
            self._channel.requests.delete_batch(delivery.queue, [delivery.sqs_message])
        except SQSError as exc:
            # Lambda deletes it at the end.
            logger.debug("Message %s is not deleted yet: %s", delivery.message_id, exc)


def _group(held: Held) -> str | None:
    """The message group of a FIFO queue's message; None: no order is to be kept."""
    if not held.queue.endswith(FIFO):
        return None
    return group_of(held.message)
