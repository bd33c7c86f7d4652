"""BatchRun: the receiver of one queue, run on the messages of one invocation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import copy

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
from ..transport.sqs.received import Message
from ..working.consumer import ACCEPT
from ..working.going_on import worker_stops
from ..working.handling import Handled, Surroundings, attempt_within, cleaning_up
from ..working.outcomes import settle
from ..working.registered import Attempt
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
    """Handles the messages of one queue, one after the other.

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
        self._longest = 0.0
        self._stopped_groups: set[str] = set()

    def run(self, messages: Sequence[Message]) -> list[Held]:
        """Handle *messages*; return what was held of them."""
        # How long they are ours is Lambda's concern: it lets no queue have a visibility timeout
        # below the function's.
        intake = self._channel.intake
        held = intake.hold(
            self._queue.name, messages, MAX_VISIBILITY_TIMEOUT, state=State.DELIVERED
        )
        for each in held:
            self._handle(each)
        return held

    def _handle(self, held: Held) -> None:
        group = _group(held)
        starts = group not in self._stopped_groups and self._may_start()
        if not starts and self._time.hurries:
            self._channel.keeper.release([held])
            return
        delivery: Delivery | None = None
        try:
            if starts:
                if self._registered.message_class.delete is RawMessage.delete:
                    # Else something that belongs to it goes, too.
                    self._deletions.leave(held)
                self._channel.intake.read(held)
            delivery = self._delivery(held)
            self._run(delivery) if starts else self._put_off(delivery)
        except BaseException as exc:
            # Nobody holds it any more, so SQS redelivers it.
            if delivery is None:
                self._channel.keeper.abandon(held)
            else:
                self._channel.abandon(delivery)
            if not isinstance(exc, Exception):
                raise
            logger.exception("Handling message %s failed; SQS redelivers it", held.message_id)
        if group is not None and not held.deleted:
            self._stopped_groups.add(group)

    def _delivery(self, held: Held) -> Delivery:
        delivery = Delivery(self._channel.payload(held), channel=self._channel, accept=_accept)
        self._channel.qos.append(delivery, delivery.delivery_tag)
        return delivery

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

    def _run(self, delivery: Delivery) -> None:
        left = self._time.for_receivers
        registered, cut = self._registered, False
        if left < math.inf and (registered.timeout is None or registered.timeout > left):
            # What looks after the message must know of it, too, so it is the queue's.
            registered, cut = copy(registered), True
            registered.timeout = left

        def work(stack: Surroundings) -> Handled:
            attempt = attempt_within(stack, registered, delivery, self._queue)
            if cut and isinstance(attempt.raised, TimedOut):
                attempt = self._cut_short(delivery, attempt)
            action = settle(registered, delivery, attempt.message, attempt.raised, attempt.seconds)
            return Handled(attempt, action)

        started = time.monotonic()
        token = worker_stops.set(self._time.stops)
        try:
            handled = cleaning_up(delivery, work)
        finally:
            worker_stops.reset(token)
            self._longest = max(self._longest, time.monotonic() - started)
        message = handled.attempt.message
        split = message is not None and message.parts() is not None
        if split or handled.action in _SENT:
            self._delete_now(delivery)

    def _cut_short(self, delivery: Delivery, attempt: Attempt) -> Attempt:
        logger.warning(
            "Message %s of queue %s (receive %d): the function's time ended before its receiver "
            "did. Give the function a longer timeout, or the queue one that it lasts for",
            delivery.message_id,
            delivery.queue,
            delivery.receive_count,
        )
        error = CutShort()
        error.__cause__ = attempt.raised
        return Attempt(attempt.message, error, seconds=attempt.seconds)

    def _put_off(self, delivery: Delivery) -> None:
        # A receive that nothing was started for is not to count, where that can be helped.
        settle(self._registered, delivery, None, NotStarted())

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
    return str((held.message.get("Attributes") or {}).get("MessageGroupId") or "")
