"""BatchCrew: gathers and receives the batches of a consumer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import kombu
from kombu.exceptions import ConnectionError as KombuConnectionError

from ..transport.delivery import Delivery
from ..transport.receiving.message_limit import ReceiveLimit
from ..transport.sqs.pauses import Pause
from .batches import Order, receive_together
from .circuits import Circuits
from .gate import Gate
from .gathering import Gathered, Gathering
from .going_on import worker_stops
from .handling import Handled
from .registered import Registered
from .resends import resent_together


@dataclass(frozen=True, slots=True)
class Host:
    """What the crew needs of its consumer.

    :param free: returns how many threads are free.
    :param stops: returns whether the consumer was told to stop.
    :param left: returns how many seconds receivers may run still; infinite before a stop.
    :param polled: returns whether a poll is under way of a queue, by its name in SQS.
    :param limits: how many messages are received in all, by the names of registered queues.
    :param connection: returns the live connection, if there is one.
    :param one_by_one: returns whether no more than one message is to be held.
    :param abandon: leaves to SQS a message whose visibility timeout has run out.
    :param give_back: makes a message visible to others that was not started.
    :param handled: hears how each message ended.
    :param end: called with the first message of a batch that does not run any more.
    """

    free: Callable[[], int]
    stops: Callable[[], bool]
    left: Callable[[], float]
    polled: Callable[[str], bool]
    limits: Mapping[str, ReceiveLimit]
    connection: Callable[[], Any]
    one_by_one: Callable[[], bool] | None
    abandon: Callable[[Registered, Delivery], None]
    give_back: Callable[[Registered, Delivery], None]
    handled: Callable[[Delivery, Handled], None]
    end: Callable[[Delivery], None]


class BatchCrew:
    """The gatherings of a consumer, by the names of their queues in SQS, and what runs of them.

    :param gate: of the consumer: a batch comes in as one message does.
    """

    def __init__(self, host: Host, circuits: Circuits, gate: Gate) -> None:
        self._host = host
        self._circuits = circuits
        self._gate = gate
        self._gatherings: dict[str, Gathering] = {}
        #: Whether there is a queue whose messages are gathered.
        self.gathers = False

    def __bool__(self) -> bool:
        """Whether anything is gathered."""
        return any(self._gatherings.values())

    def open(
        self, registered: Registered, queue: kombu.Queue, prefetch: int
    ) -> Callable[[], int] | None:
        """Gather the messages of a queue; return what tells how many more may come.

        Of a connection that is made anew the batches that run count on.

        :param prefetch: how many messages may be held; 0: any number.
        """
        if registered.batch is None:
            return None
        if (gathering := self._gatherings.get(queue.name)) is None:
            size = min(registered.batch, prefetch or registered.batch)
            holds_back = partial(self._circuits.holds_back, registered, queue.name)
            gathering = Gathering(registered, queue, size, self._host.free, self._wake, holds_back)
            self._gatherings[queue.name] = gathering
            self.gathers = True
        return gathering.places

    def add(self, delivery: Delivery) -> bool:
        """Gather a message; False: its receiver gets each by itself."""
        if (gathering := self._gatherings.get(delivery.queue)) is None:
            return False
        room = gathering.add(delivery)
        if delivery.is_fifo and room > 0 and not self._one_by_one():
            self._add_behind(delivery, room)
        return True

    @staticmethod
    def _add_behind(delivery: Delivery, room: int) -> None:
        """Gather those of its group with a message: SQS hands out no more of it meanwhile."""
        table = delivery.channel.held
        for _ in range(room):
            # One at a time: one that stays in the queue, since it cannot be read, takes those
            # behind it along, and none of them is to be done before it.
            taken = table.take_behind(delivery.held, 1)
            for held in taken:
                delivery.channel.deliver(held)
            if not taken:
                return

    def _one_by_one(self) -> bool:
        asked = self._host.one_by_one
        return asked is not None and asked()

    def take(self) -> Gathered | None:
        """The next batch that is to run now; what is not to run is given back.

        At a stop that is all that can end within the grace period: given back, each message
        would have been received in vain, and be nearer to the dead letters.
        """
        self.give_back()
        left = self._host.left()
        now = time.monotonic()
        alone = self._one_by_one()
        for name, gathering in self._gatherings.items():
            hurries = partial(self._hurries, gathering.registered, name)
            if gathered := gathering.take(now, alone=alone, left=left, hurries=hurries):
                if alone and gathered.deliveries[0].is_fifo:
                    # Those of its group must not run beside it.
                    gathering.leave()
                    self.give_back()
                return gathered
        return None

    def _wake(self) -> None:
        """Have the consumer's thread look at what is gathered; from any thread."""
        if (connection := self._host.connection()) is not None:
            connection.transport.wake()

    def _hurries(self, registered: Registered, queue: str) -> bool:
        """Whether no further message of a queue will come."""
        if self._host.stops() or (self._circuits.any and self._circuits.is_open(queue)):
            return True
        limit = self._host.limits.get(registered.name)
        if limit is None or not limit.reached:
            return False
        return not self._host.connection().transport.has_waiting()

    def paused(self, registered: Registered, queue: str, pause: Pause | None) -> None:
        """A queue is paused, or resumed: what is gathered is given back; from any thread."""
        self._circuits.paused(registered, pause)
        if (gathering := self._gatherings.get(queue)) is not None:
            gathering.pause(paused=pause is not None)

    def give_back(self, *, everything: bool = False) -> None:
        """Make visible to others what is not to be started; from any thread.

        :param everything: all that is gathered, at the end.
        """
        for name, gathering in list(self._gatherings.items()):
            polled = partial(self._host.polled, name)
            with resent_together():
                for delivery in gathering.take_left(everything=everything, polled=polled):
                    # A channel that was closed meanwhile has given back whatever it held.
                    with suppress(KombuConnectionError):
                        self._host.give_back(gathering.registered, delivery)

    def beside(self) -> list[Delivery]:
        """The messages of batches that run, but the first of each."""
        return [
            delivery
            for gathering in list(self._gatherings.values())
            for gathered in gathering.running()
            for delivery in gathered.deliveries[1:]
        ]

    def work(self, gathered: Gathered) -> None:
        """Receive a batch; in the thread of its receiver."""
        token = worker_stops.set(self._host.stops)
        try:
            for delivery, handled in self._received(gathered):
                self._host.handled(delivery, handled)
        except BaseException:
            # Nobody holds them any more, so nobody must renew them.
            for delivery in gathered.deliveries:
                if not delivery.acknowledged:
                    delivery.abandon()
            raise
        finally:
            worker_stops.reset(token)
            self._gatherings[gathered.queue.name].ended(gathered)
            self._host.end(gathered.deliveries[0])

    def _received(self, gathered: Gathered) -> Iterator[tuple[Delivery, Handled]]:
        held = []
        refuses = self._circuits.any and self._circuits.refuses(gathered.queue.name)
        order = Order()
        with resent_together():
            for delivery in gathered.deliveries:
                if delivery.expired:
                    order.break_off(delivery)
                    self._host.abandon(gathered.registered, delivery)
                elif refuses or order.is_broken(delivery):
                    self._host.give_back(gathered.registered, delivery)
                else:
                    held.append(delivery)
        return receive_together(gathered.registered, gathered.queue, held, self._gate)
