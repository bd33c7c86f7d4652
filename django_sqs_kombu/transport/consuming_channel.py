"""ConsumingChannel: what Kombu's consumers call to receive messages."""

from __future__ import annotations

import queue as stdlib_queue
import time
import traceback
import weakref
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from ..exceptions import EnvironmentFailure, PayloadUnavailable, SQSError
from ..logs import get_logger
from ..names import FIFO
from .body.reading import read_body
from .delivery import Delivery, receive_count
from .holding.held import Held, State
from .putting_off import PuttingOff
from .receiving.consumption import Consumption, Receiving
from .receiving.intake import Intake
from .receiving.poller import Poller
from .receiving.polls import is_late
from .receiving.terms import QueueTerms
from .settling_channel import CLOSE_TIMEOUT, SettlingChannel
from .sqs.listing import Listing
from .sqs.received import without_bytes
from .sqs.wire.reactor import reactor

logger = get_logger(__name__)

#: The method of a Celery request that hands it to the pool.
POOLED = "execute_using_pool"
#: Where Celery's worker takes a message, on an event loop or without one.
CELERY = "celery.worker.consumer.consumer"
#: Pollers of cancelled consumers that are kept without a look at them.
FEW = 8


class Consumer(NamedTuple):
    """What consumes from a queue, under a tag of its own."""

    callback: Callable[[Delivery], None]
    no_ack: bool


class ConsumingChannel(SettlingChannel):
    """Kombu's SQS channel with its own way of receiving."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._consumptions: dict[str, Consumption] = {}
        #: Of queues that messages came from.
        self._urls: dict[str, str] = {}
        #: By queue and tag, the latest last.
        self._consumers_of: dict[str, dict[str, Consumer]] = {}
        #: Who gets the messages of a queue.
        self._takers: dict[str, Consumer] = {}
        #: How many cancelled pollers there may be before those are left out that have ended.
        self._looks_at = FEW
        self.intake = Intake(self.requests, self.held, self.keeper, self.payloads)
        self._putting_off = PuttingOff(self.keeper, self.backoff)
        self._terms = QueueTerms(self.requests, self.connection.declarations)
        self._receiving = Receiving(
            requests=self.requests,
            queues=self.queues,
            listing=Listing(self.requests, self.connection.declarations),
            table=self.held,
            keeper=self.keeper,
            inbox=self.connection.inbox,
            intake=self.intake,
            wait_time=int(self.wait_time_seconds),
            max_idle=self.poll_max_idle,
            interval=float(self.transport_options.get("polling_interval") or 0),
            look=self.pause_look,
            terms=self._terms,
            room=self.prefetch.room,
        )

    def consume(self, consumption: Consumption) -> None:
        """Say how a queue is to be consumed, before its first consumer."""
        self._consumptions[consumption.queue] = consumption
        if consumption.most is not None:
            self.prefetch.bound(consumption.queue, consumption.most)

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        """Consume from *queue*: its poller starts here.

        Of several consumers of a queue the latest gets its messages.
        """
        result = super().basic_consume(queue, no_ack, *args, **kwargs)
        # As all of Kombu's channels have them.
        given = dict(zip(("callback", "consumer_tag"), args, strict=False)) | kwargs
        consumer_tag = given["consumer_tag"]
        # Kombu knows one callback for each queue of a connection. Here each consumer has its own.
        consumers = self._consumers_of.setdefault(queue, {})
        consumers.pop(consumer_tag, None)
        consumer = Consumer(given["callback"], no_ack)
        consumers[consumer_tag] = self._takers[queue] = consumer
        self.held.shares_places = self.connection.event_loop is not None
        if queue not in self.pollers:
            consumption = self._consumptions.get(queue) or Consumption(queue)
            poller = Poller(consumption, self._receiving, fifo=queue.endswith(FIFO))
            self.pollers[queue] = poller
            self.held.watch(queue, poller)
            poller.start()
        return result

    def basic_cancel(self, consumer_tag: str) -> Any:
        """Stop consuming; messages that wait for the consumer become visible at once."""
        queue = self._tag_to_queue.get(consumer_tag)
        result = super().basic_cancel(consumer_tag)
        if queue is None:
            return result
        consumers = self._consumers_of.get(queue, {})
        consumers.pop(consumer_tag, None)
        if consumers:
            self._takers[queue] = consumers[next(reversed(consumers))]
            return result
        self._consumers_of.pop(queue, None)
        self._takers.pop(queue, None)
        poller = self.pollers.pop(queue, None)
        if poller is not None:
            self.held.watch(queue, None)
            # A poll under way ends by itself; nobody needs to wait for it here.
            poller.stop()
            # What is received ahead of a consumer that goes is given back, and counts.
            self.connection.inbox.pace.forget()
            self._finish_later(poller)
        return result

    def _finish_later(self, poller: Poller) -> None:
        """Have :meth:`finish_polling`, and so a close, wait for what *poller* has under way."""
        self._finishing.append(poller)
        # Whoever cancels a thousand consumers does not look at each of them a thousand times.
        if len(self._finishing) >= self._looks_at:
            self._finishing = [each for each in self._finishing if each.polls]
            self._looks_at = max(FEW, 2 * len(self._finishing))

    def basic_qos(self, *args: Any, **kwargs: Any) -> None:
        """Change the prefetch count, which pollers heed at once."""
        super().basic_qos(*args, **kwargs)
        self.connection.inbox.look()
        self.connection.inbox.changed()

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Delivery | None:
        """Receive one message; None: none came within ``wait_time_seconds``.

        What cannot be read now is left for a later receive, and is none: of Kombu's errors nobody
        gets the message that they are about, to settle it.
        """
        delivery = self.get_one(queue, no_ack=no_ack, **kwargs)
        if delivery is None:
            return None
        error = delivery.held.error
        if isinstance(error, EnvironmentFailure):
            self._put_off_unread(delivery, error)
            return None
        if no_ack:
            self.keeper.delete(delivery.held)
        return delivery

    def get_one(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Delivery | None:
        """The same for one who settles what cannot be read, too; it is not acknowledged."""
        held = self._receive_one(queue)
        if held is None:
            return None
        try:
            delivery = self.Message(self.payload(held), channel=self)
        except MemoryError:
            self.keeper.release([held])
            raise
        if not no_ack:
            self.qos.append(delivery, delivery.delivery_tag)
        return delivery

    def wake_polling(self, queues: Collection[str] | None = None) -> None:
        """Poll at once these queues, or all, that are idle and rest; from any thread."""
        for name, poller in list(self.pollers.items()):
            if queues is None or name in queues:
                poller.wake()

    def look_for_pauses(self, queues: Collection[str] | None = None) -> None:
        """Look now whether these queues, or all, are paused or resumed; from any thread."""
        for name, poller in list(self.pollers.items()):
            if queues is None or name in queues:
                poller.pauses.look()

    def has_waiting(self) -> bool:
        """Whether received messages wait for their consumer."""
        return any(poller.has_waiting for poller in list(self.pollers.values()))

    def give_back_waiting(self, queue: str) -> None:
        """Make visible to others what waits for the consumer of *queue*."""
        if (poller := self.pollers.get(queue)) is not None:
            poller.give_back_waiting()

    def deliver(self, held: Held) -> None:
        """Hand a message that was taken to its consumer."""
        taker = self._takers.get(held.queue)
        if taker is None:
            self.keeper.release([held])
            return
        delivery = self._made(held)
        if held.queue not in self._consumptions and self._is_not_for_now(delivery):
            return
        if taker.no_ack:
            self.keeper.delete(held)
        else:
            self.qos.append(delivery, delivery.delivery_tag)
        try:
            taker.callback(delivery)
        except Exception as exc:
            if not self._goes_on(delivery, taker, exc):
                raise

    def _is_not_for_now(self, delivery: Delivery) -> bool:
        """See to a message that no consumer of Kombu's may have; return whether it is one."""
        held = delivery.held
        if delivery.expired:
            # Somebody else may have it, or have done it.
            logger.info(
                "%s waited longer than its visibility timeout; it is redelivered", _name(held)
            )
            self.keeper.abandon(held)
        elif isinstance(held.error, EnvironmentFailure):
            # Kombu deletes what cannot be decoded, or ends its consumer.
            self._put_off_unread(delivery, held.error)
        else:
            return False
        return True

    def _goes_on(self, delivery: Delivery, taker: Consumer, exc: Exception) -> bool:
        """See to a message whose consumer raised; return whether nobody needs to hear of it."""
        held = delivery.held
        if self.closed or held.queue in self._consumptions:
            return False
        functions, modules = _passed(exc)
        on_loop = self.connection.event_loop is not None
        # Celery has a loop of its own where its pool is of green threads, and on Windows.
        goes_on = on_loop or CELERY in modules
        if taker.no_ack or delivery.acknowledged:
            if goes_on:
                logger.error("%s, which is done, made its consumer fail", _name(held), exc_info=exc)
            return goes_on
        if exc is delivery.unread:
            self._put_off_unread(delivery, exc)
            return True
        if exc is delivery.undecoded:
            self.leave_undecoded(delivery)
        elif goes_on:
            logger.error("%s made its consumer fail", _name(held), exc_info=exc)
            self._put_off(held, "its consumer failed")
            # Celery's worker ends by what it does not expect in a message, and so would the next
            # that gets it. But a place of its pool that it took for it, nobody would free; it
            # takes one on an event loop.
            return not (on_loop and POOLED in functions)
        else:
            self._leave(held)
        return goes_on

    def leave_undecoded(self, delivery: Delivery) -> None:
        """Leave a message that nobody got, since it could not be decoded, for a later receive."""
        if not delivery.settled:
            # Its error, which may quote it, is raised.
            error = type(delivery.undecoded).__name__
            self._put_off(delivery.held, f"it cannot be decoded ({error})")

    def _leave(self, held: Held) -> None:
        """Leave a message whose callback raised to SQS, after its visibility timeout.

        Until then the callback may have given it to somebody who settles it.
        """
        held.renewed, held.let_go = False, True
        channel = weakref.ref(self)

        def end() -> None:
            if (mine := channel()) is not None:
                mine._end(held)

        reactor.at(held.expires_at, end)

    def _end(self, held: Held) -> None:
        if held.state is State.DELIVERED:
            self.held.end(held)
        self.qos.ack(held.tag)

    def _made(self, held: Held) -> Delivery:
        """What Kombu's consumers get, which says so if there is no memory for its body."""
        # What Kombu's callback does, without a further call for each message.
        try:
            return self.Message(self.payload(held), channel=self)
        except MemoryError:
            # It would end the consumer, and then whoever takes this message next.
            held.error = PayloadUnavailable("There is not enough memory for the message")
            if held.attributed and (pointer := held.message.get("Body")) is not None:
                held.body = pointer
            return self.Message(self._payload(held, *read_body("")), channel=self)

    def _put_off_unread(self, delivery: Delivery, why: SQSError) -> None:
        """Leave a message that cannot be read now for a later receive."""
        logger.error("%s is tried again later: %s", _name(delivery.held), why)
        self.qos.ack(delivery.delivery_tag)
        self._putting_off.put_off(delivery, waits=self.connection.event_loop is None)

    def _put_off(self, held: Held, why: SQSError | str) -> None:
        """Leave a message over which its consumer failed for a later receive."""
        logger.error("%s is tried again later: %s", _name(held), why)
        self._putting_off.leave(held)
        self.qos.ack(held.tag)

    def close(self) -> None:
        """As :meth:`.SettlingChannel.close`, once what is being sent again is sent."""
        self._putting_off.finish(CLOSE_TIMEOUT)
        super().close()

    def delivery(self, queue: str, message: Mapping[str, Any], *, settles: bool) -> Delivery:
        """A delivery of a message that was received elsewhere, and whose lease is kept there.

        :param settles: whether it is settled here; else it can only be looked at.
        """
        held = Held(queue, message, 0, 0.0)
        self.intake.read(held)
        delivery = Delivery(self.payload(held), channel=self)
        if settles:
            self.held.receive(held, State.DELIVERED)
            self.qos.append(delivery, delivery.delivery_tag)
        return delivery

    def payload(self, held: Held) -> dict[str, Any]:
        """What Kombu's consumers get for a held message."""
        return self._payload(held, *read_body(held.body))

    def _payload(
        self, held: Held, payload: dict[str, Any], wrong: SQSError | None
    ) -> dict[str, Any]:
        if wrong is not None and held.error is None:
            held.error = wrong
        queue, properties = held.queue, payload["properties"]
        properties["delivery_tag"] = held.tag
        properties["delivery_info"] = {
            "exchange": "",
            "routing_key": queue,
            **properties["delivery_info"],
            "queue": queue,
            "sqs_message": without_bytes(held.message) if held.attributed else held.message,
            "sqs_queue": self._urls.get(queue) or self._url(queue),
        }
        payload["held"] = held
        return payload

    def _url(self, queue: str) -> str | None:
        url = self.account.url(queue)
        if url is not None:
            self._urls[queue] = url
        return url

    def _message_to_python(
        self, message: Mapping[str, Any], queue_name: str, q_url: str
    ) -> dict[str, Any]:
        held = Held(queue_name, message, self._terms.known(queue_name).seconds, 0.0)
        return self.payload(held)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        held = self._receive_one(queue)
        if held is None:
            raise stdlib_queue.Empty
        return self.payload(held)

    def _receive_one(self, queue: str) -> Held | None:
        """Hold one message, its body read; None: none came within ``wait_time_seconds``."""
        self._must_be_open()  # Else it could not be settled.
        self.queues.compare_once(queue)
        seconds, wait = self._terms.known(queue).seconds, int(self.wait_time_seconds)
        asked_at = time.monotonic()
        received = self.requests.receive(queue, 1, wait, seconds)
        late = is_late(asked_at, wait)
        held = self.intake.hold(queue, received, seconds, State.DELIVERED, late=late)
        # A server may answer more than it was asked for, and the channel be closed meanwhile.
        mine = [] if self.closed else held[:1]
        self.keeper.release(reversed(held[len(mine) :]))
        self._must_be_open()
        if mine:
            self.intake.read(mine[0])
        return mine[0] if mine else None


def _name(held: Held) -> str:
    receives = receive_count(held.message)
    return f"Message {held.message_id} of queue {held.queue} (receive {receives})"


def _passed(exc: Exception) -> tuple[set[str], set[str | None]]:
    """The names of the functions that an exception came through, and of their modules."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    functions = {frame.f_code.co_name for frame in frames}
    return functions, {frame.f_globals.get("__name__") for frame in frames}
