"""Circuits: the breakers of a consumer's queues, and whom they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..exceptions import SQSError
from ..logs import get_logger
from ..names import FIFO
from ..transport.delivery import Delivery
from ..transport.receiving.message_limit import ReceiveLimit
from ..transport.sqs.pauses import Pause, pause_by_breaker
from ..transport.sqs.threads import aside
from .breaker import Circuit, Trip
from .expired import abandon
from .limits import limits_of
from .middleware import Middleware, tell
from .outcomes import leave_unstarted
from .registered import Registered, Registry

logger = get_logger(__name__)


class Circuits:
    """The circuits of a consumer's queues, by the names in SQS; false where there are none.

    :param receivers: the registry.
    :ivar any: whether there is any.
    """

    def __init__(self, receivers: Registry) -> None:
        self._receivers = receivers
        self.any = False
        self._circuits: dict[str, Circuit] = {}
        #: Kept when a connection is made anew: what failed may fail still, and counts on.
        self._limits: dict[str, ReceiveLimit | None] = {}
        self._channels: dict[str, Any] = {}

    def limit(
        self,
        registered: Registered,
        queue: str,
        channel: Any,
        message_limit: ReceiveLimit | None = None,
    ) -> ReceiveLimit | None:
        """All that limits how a queue is consumed, its breaker included.

        :param queue: its name in SQS.
        :param channel: what receives from it now.
        :param message_limit: another limit, if there is one.
        """
        self._channels[queue] = channel
        if queue not in self._limits:
            limit, circuit = limits_of(
                registered,
                queue,
                self._receivers,
                message_limit,
                on_change=partial(self._changed, registered, queue),
                # Polls do not wait for what middleware do.
                on_limit=partial(aside, partial(self._limited, registered, queue)),
            )
            self._limits[queue] = limit
            if circuit is not None:
                self._circuits[queue] = circuit
                self.any = True
        return self._limits[queue]

    def most(
        self, registered: Registered, queue: str, places: Callable[[], int]
    ) -> Callable[[], int | None] | None:
        """What returns how many of a queue's messages may be here at once; None: any number.

        :param places: returns how many receivers run at once.
        """
        own, circuit = registered.concurrency, self._circuits.get(queue)
        if registered.batch is not None:
            return None
        if circuit is None or not queue.endswith(FIFO):
            return None if own is None else lambda: own

        def most() -> int | None:
            if not self.holds_back(registered, queue):
                return own
            return places() if own is None else min(own, places())

        return most

    def holds_back(self, registered: Registered, queue: str) -> bool:
        """Whether nothing of a queue is received ahead of its receivers; it takes no lock.

        What waits as a breaker opens is given back in a FIFO queue.  Where receives count, none
        waits while some fail: else a breaker that opens often would use up more than are run.
        """
        circuit = self._circuits.get(queue)
        if circuit is None or circuit.is_calm or not queue.endswith(FIFO):
            return False
        return _counts(registered, queue, self._channels[queue])

    def refuses(self, queue: str) -> bool:
        """Whether a message of the queue that came is not to be started."""
        circuit = self._circuits.get(queue)
        return circuit is not None and circuit.refuses()

    def is_open(self, queue: str) -> bool:
        """Whether the queue has an open breaker, which lets one message through to try it."""
        circuit = self._circuits.get(queue)
        return circuit is not None and circuit.is_open

    def give_back(self, registered: Registered, delivery: Delivery, *, stops: bool) -> None:
        """Make a message visible to others that was not started.

        :param stops: whether the consumer does, which must not wait for requests.
        """
        if delivery.expired:
            abandon(delivery)
        elif self.any and not stops and self.is_open(delivery.queue):
            leave_unstarted(registered, delivery)
        else:
            delivery.release()

    def ended(self, queue: str, raised: BaseException | None) -> None:
        """A receiver of the queue has ended."""
        if (circuit := self._circuits.get(queue)) is not None:
            circuit.ended(raised)

    def paused(self, registered: Registered, pause: Pause | None) -> None:
        """The queue is paused, or resumed; told late where others take their time."""
        tell(self._receivers.middleware, lambda each: each.paused(registered, pause))

    def keeps(self, registered: Registered, queue: str, pause: Pause) -> bool:
        """Whether what waits as a pause begins comes to the consumer, which sends it again.

        So it is if the pause is another process's breaker's: else those that open often would
        use up the receives of what waits here.  After it all try the queue with one message.
        """
        circuit = self._circuits.get(queue)
        if pause.by_breaker and circuit is not None:
            circuit.shut(pause.seconds_left() or 0.0)
        return self.is_open(queue) and _may_be_sent_again(registered, queue, self._channels[queue])

    def _limited(self, registered: Registered, queue: str) -> None:
        tell(self._receivers.middleware, lambda each: each.limited(registered, queue))

    def _changed(self, registered: Registered, queue: str, trip: Trip | None) -> None:
        middleware = self._receivers.middleware
        if trip is None:
            _tell(middleware, registered, queue, trip)
            return
        channel = self._channels[queue]
        if not _may_be_sent_again(registered, queue, channel):
            channel.give_back_waiting(queue)
        # Else each goes to the consumer, which refuses it.

        def share() -> None:
            shared = replace(trip, shared=_shared(channel, queue, trip))
            _tell(middleware, registered, queue, shared)

        if registered.breaker is not None and registered.breaker.shared:
            # The receiver's thread does not wait for SQS.
            aside(share)
        else:
            _tell(middleware, registered, queue, trip)


def _may_be_sent_again(registered: Registered, queue: str, channel: Any) -> bool:
    """Whether what waits may be sent again, so that its receive does not count."""
    return _counts(registered, queue, channel) and not queue.endswith(FIFO)


def _counts(registered: Registered, queue: str, channel: Any) -> bool:
    """Whether receives of the queue count, as far as is known."""
    poller = channel.pollers.get(queue)
    return registered.policy.counts_tries or (poller is not None and poller.returns.redrives)


def _tell(
    middleware: Sequence[Middleware], registered: Registered, queue: str, trip: Trip | None
) -> None:
    tell(middleware, lambda each: each.tripped(registered, queue, trip))


def _shared(channel: Any, queue: str, trip: Trip) -> bool:
    """Have all other workers leave the queue alone as well; return whether they will."""
    try:
        pause_by_breaker(channel.requests, queue, trip.seconds, f"breaker: {trip}")
    except SQSError as exc:
        logger.warning(
            "That the breaker of queue %s is open could not be told to other processes: %s",
            queue,
            exc,
        )
        return False
    return True
