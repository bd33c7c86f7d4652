"""ReceiverConsumer: receives messages, runs their receivers, and settles them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import kombu
from kombu.mixins import ConsumerMixin

from ..exceptions import ConfigurationError, NoReceiver
from ..logs import get_logger
from ..messages.base import ENCODED, JSON, PLAIN
from ..rules import check_consumer
from ..transport.delivery import Delivery
from ..transport.receiving.consumption import Consumption
from ..transport.receiving.message_limit import LocalLimit, ReceiveLimit
from ..transport.receiving.poller import Poller
from .batch_crew import BatchCrew, Host
from .circuits import Circuits
from .early_burial import warn_of_early_burial
from .gate import Gate
from .going_on import worker_stops
from .handling import Handled, handle
from .middleware import ADMITTED, Middleware, admission, tell
from .outcomes import settle_undecodable
from .pool import Pool
from .registered import Registered, Registry
from .slots import ticking
from .under_way import UnderWay

logger = get_logger(__name__)

#: Content types that are decoded. Nothing that could run code, such as pickle.
ACCEPT = (JSON, PLAIN, ENCODED, "application/data")

#: Seconds before the end of the grace period at which polls are broken off.
BREAK_OFF_MARGIN = 2.0


class ReceiverConsumer(ConsumerMixin):  # type: ignore[misc]
    """A kombu consumer that runs the receivers of registered queues.

    :param receivers: the registry.
    :param queues: the queues to receive from; default all that have a receiver.
    :param suffix: the queue name suffix to use with each.
    :param threads: how many receivers run at once.  One: in the calling thread.
    :param prefetch: how many messages of a queue are held at most, running or waiting;
        default: as many as hide the time that a request takes, of those that can be started
        within a third of the visibility timeout.
    :param message_limit: end after this many messages of each queue were received.
    :param limits: limits by queue name that are shared with other processes.
    :param grace_period: seconds that running receivers may take after :meth:`stop`.
    :param one_by_one: whether no more than one message is to be held now, since a message
        that kills its process would have those beside it received in vain.

    ``run()`` blocks until :meth:`stop` is called or the limits are reached.
    """

    #: Whether :meth:`run` sends the slots of the registry's schedules, too.
    ticks = True

    def __init__(
        self,
        receivers: Registry,
        queues: Sequence[Registered] | None = None,
        *,
        suffix: str | None = None,
        threads: int = 1,
        prefetch: int | None = None,
        message_limit: int | None = None,
        limits: Mapping[str, ReceiveLimit] | None = None,
        grace_period: float = 30.0,
        one_by_one: Callable[[], bool] | None = None,
    ) -> None:
        check_consumer(threads, prefetch, message_limit, grace_period)
        if queues is None:
            queues = [queue for queue in receivers.select() if queue.receiver is not None]
        self.queues = list(queues)
        self.suffix = suffix
        self.threads = threads
        self.prefetch = prefetch or 0
        self.grace_period = grace_period
        self.limits = dict(limits or {})
        self._receivers = receivers
        self._middleware = receivers.middleware
        #: All that limits a queue, by its name; and the circuits among that.
        self._limits: dict[str, ReceiveLimit] = {}
        self._circuits = Circuits(receivers)
        self._gate = Gate()
        self._one_by_one = one_by_one
        self._validate(message_limit)
        self.should_stop = False
        self.connection = receivers.new_connection()
        self._live_connection: Any = None
        #: Registered and kombu queues by the name in SQS.
        self._sources: dict[str, tuple[Registered, kombu.Queue]] = {}
        self._pool: Pool | None = None
        self._running = UnderWay()  # Of a batch the first message.
        self._ended = threading.Event()
        self._breaking_off = threading.Event()
        host = Host(
            free=self._free,
            stops=self._stops,
            limits=self.limits,
            connection=lambda: self._live_connection,
            one_by_one=one_by_one,
            abandon=self._abandon,
            give_back=self._give_back,
            handled=self._handled,
            end=self._running.discard,
        )
        self._batches = BatchCrew(host, self._circuits, self._gate)

    def _validate(self, message_limit: int | None) -> None:
        if message_limit is not None:
            self.limits = {queue.name: LocalLimit(message_limit) for queue in self.queues}
        for queue in self.queues:
            if queue.receiver is None:
                raise NoReceiver(queue.name)
        if not self.queues:
            raise ConfigurationError("There is no queue to receive from: register a receiver")

    # Start and stop.

    def run(self, _tokens: int = 1, **kwargs: Any) -> None:
        """Receive until stopped, or until the limits are reached."""
        try:
            with ticking(self._receivers.select if self.ticks else list):
                super().run(_tokens, **kwargs)
        finally:
            self._ended.set()

    def stop(self, *, break_off: bool = False) -> None:
        """Stop receiving; safe in a signal handler and from any thread.

        Polls under way end by themselves, within twice the poll period, and messages that
        were not started then become visible to others.  Running receivers may finish within
        the grace period; then :meth:`on_grace_expired` is called.

        :param break_off: break off polls under way.  SQS may not notice at once, and hide
            messages that come then for their visibility timeout.  Near the end of the grace
            period that is done all the same.
        """
        if break_off:
            self._breaking_off.set()
        if not self.should_stop:
            self.should_stop = True
            tell(self._middleware, lambda each: each.stopping())
            try:
                threading.Thread(target=self._wind_down, name="sqs-stop", daemon=True).start()
            except RuntimeError as exc:
                # The consumer sees that it should stop all the same, a second later.
                logger.error("The stop has no thread to watch over it: %s", exc)

    def wake(self, *queue_names: str) -> None:
        """Poll at once these queues, or all, that are idle and rest; from any thread."""
        if self._live_connection is not None:
            self._live_connection.transport.wake_polling(self._full_names(queue_names))

    def look_for_pauses(self, *queue_names: str) -> None:
        """Look now whether these queues, or all, are paused or resumed; from any thread."""
        if self._live_connection is not None:
            self._live_connection.transport.look_for_pauses(self._full_names(queue_names))

    def _full_names(self, queue_names: Collection[str]) -> list[str]:
        sources = list(self._sources.items())
        return [n for n, (own, _) in sources if not queue_names or own.name in queue_names]

    def _wind_down(self) -> None:
        deadline = time.monotonic() + self.grace_period
        if self._live_connection is not None:
            transport = self._live_connection.transport
            # Kept, since the connection may be closed meanwhile, which waits for them.
            pollers = transport.stop_polling()
            transport.wake()
            self._running.look()
            self._batches.give_back(everything=True)
            # What waits is given back as soon as the polls have ended, whatever still runs.
            finish = threading.Thread(
                target=_finish, args=(pollers,), name="sqs-finish", daemon=True
            )
            finish.start()
            patience = max(self.grace_period - BREAK_OFF_MARGIN, self.grace_period / 2)
            self._wait_for_polls(finish, deadline - self.grace_period + patience)
            for poller in pollers:
                poller.stop(break_off=True)
        if not self._ended.wait(max(0.0, deadline - time.monotonic())):
            self.on_grace_expired()

    def _wait_for_polls(self, finish: threading.Thread, until: float) -> None:
        while finish.is_alive() and time.monotonic() < until:
            if self._breaking_off.is_set() or self._ended.is_set():
                return
            finish.join(0.05)

    def on_grace_expired(self) -> None:
        """Called when receivers still run after the grace period; logs which."""
        for delivery in [*self._running, *self._batches.beside()]:
            logger.error(
                "The receiver of message %s of queue %s still runs %g s after the stop",
                delivery.message_id,
                delivery.queue,
                self.grace_period,
            )

    def release_running(self) -> None:
        """Settle what is done and give back what still runs, before the process exits."""
        running = [*self._running, *self._batches.beside()]
        if running:
            running[0].channel.release(running)
            running[0].channel.flush(2.0)

    # The hooks of kombu's ConsumerMixin.

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803
        """A kombu consumer for each queue."""
        consumers = []
        observed = any(type(each).polled is not Middleware.polled for each in self._middleware)
        for registered in self.queues:
            queue = registered.get_queue(self.suffix)
            channel.declare_lazily(queue)
            warn_of_early_burial(registered, queue.name, channel.requests)
            self._sources[queue.name] = registered, queue
            channel.consume(
                Consumption(
                    queue.name,
                    priority=registered.priority,
                    limit=self._limit(registered, queue.name, channel),
                    on_poll=partial(self._polled, registered) if observed else None,
                    on_pause=partial(self._batches.paused, registered, queue.name),
                    free=self._free,
                    one_by_one=self._one_by_one,
                    lasting=True,
                    most=registered.concurrency if registered.batch is None else None,
                    gathers=self._batches.open(registered, queue, self.prefetch),
                )
            )
            consumers.append(
                Consumer(
                    [queue],
                    on_message=self.on_message,
                    prefetch_count=self.prefetch,
                    auto_declare=False,
                    accept=ACCEPT,
                )
            )
        return consumers

    def _limit(self, registered: Registered, queue: str, channel: Any) -> ReceiveLimit | None:
        own = self.limits.get(registered.name)
        limit = self._circuits.limit(registered, queue, channel, own)
        if limit is not None:
            self._limits[registered.name] = limit
        return limit

    def on_consume_ready(
        self, connection: Any, channel: Any, consumers: list[Any], **kwargs: Any
    ) -> None:
        """Remember the live connection, which :meth:`stop` acts on."""
        self._live_connection = connection
        logger.info("Receiving from %s", ", ".join(c.queues[0].name for c in consumers))
        if self.should_stop:
            connection.transport.stop_polling()

    @contextmanager
    def extra_context(self, connection: Any, channel: Any) -> Iterator[None]:
        """The thread pool, whose end waits for the receivers that run."""
        with Pool(self.threads) if self.threads > 1 else nullcontext() as self._pool:
            try:
                yield
            finally:
                self._batches.give_back(everything=True)

    def on_iteration(self) -> None:
        """Before each wait for a message: wait for a free thread, and see the limits."""
        self.on_turn()
        self._wait_for_a_thread()
        while self._batches and (gathered := self._batches.take()):
            self._start(gathered.deliveries[0], self._batches.work, gathered)
            self._wait_for_a_thread()
        if self._limits_reached():
            self.should_stop = True

    def _wait_for_a_thread(self) -> None:
        while not self._wait_for_free_thread(timeout=1.0):
            self.on_turn()

    def on_turn(self) -> None:
        """Called about once a second, between messages; does nothing."""

    def on_decode_error(self, message: Delivery, exc: Exception) -> None:
        """Settle a message whose payload is gone, or whose compression Kombu cannot undo."""
        registered, _ = self._sources[message.queue]
        settle_undecodable(registered, message, exc)

    def on_message(self, delivery: Delivery) -> None:
        """Start a message that was received, unless it is too late for it."""
        registered, queue = self._sources[delivery.queue]
        if self.should_stop or (self._circuits and self._circuits.refuses(delivery.queue)):
            self._give_back(registered, delivery)
        elif not self._batches.add(delivery):
            self._start(delivery, self._work, registered, queue, delivery)

    def _start(self, delivery: Delivery, work: Callable[..., None], *args: Any) -> None:
        self._running.add(delivery)
        if self._pool is None:
            work(*args)
        else:
            try:
                self._pool.submit(len(self._running), work, *args)
            except RuntimeError as exc:
                # The pool has taken it before it asked for another thread, so one of those
                # that it has comes to it. To give the message back would run it twice.
                logger.error("No further thread runs receivers now: %s", exc)

    # The work: receive, run, settle.

    def _work(self, registered: Registered, queue: kombu.Queue, delivery: Delivery) -> None:
        try:
            if delivery.expired:
                self._abandon(registered, delivery)
            else:
                admitted = ADMITTED
                if self._middleware:
                    admitted = admission(self._middleware, registered, delivery)
                self._gate.enter(delivery, alone=admitted.alone)
                token = worker_stops.set(self._stops)
                try:
                    handled = handle(registered, delivery, queue, admitted)
                finally:
                    worker_stops.reset(token)
                    self._gate.leave(delivery)
                self._handled(delivery, handled)
        except BaseException:
            # Nobody holds it any more, so nobody must renew it.
            if not delivery.acknowledged:
                delivery.abandon()
            raise
        finally:
            self._running.discard(delivery)

    def _handled(self, delivery: Delivery, handled: Handled) -> None:
        if self._circuits:
            self._circuits.ended(delivery.queue, handled.attempt.raised)
        if isinstance(handled.attempt.raised, KeyboardInterrupt):
            self.should_stop = True

    def _stops(self) -> bool:
        return self.should_stop

    def _polled(self, registered: Registered, received: int) -> None:
        tell(self._middleware, lambda each: each.polled(registered, received))

    def _abandon(self, registered: Registered, delivery: Delivery) -> None:
        logger.info(
            "Message %s of queue %s waited longer than its visibility timeout; it is redelivered",
            delivery.message_id,
            delivery.queue,
        )
        delivery.abandon()
        self._uncount(registered)

    def _give_back(self, registered: Registered, delivery: Delivery) -> None:
        delivery.release()
        self._uncount(registered)

    def _uncount(self, registered: Registered) -> None:
        if registered.name in self._limits:
            self._limits[registered.name].give_back(1)

    def _free(self) -> int:
        return self.threads - len(self._running)

    def _wait_for_free_thread(self, timeout: float) -> bool:
        if self._pool is not None:
            self._pool.wait_if_quick()
        if len(self._running) < self.threads:
            return True
        return self._running.wait_until(
            lambda: len(self._running) < self.threads or self.should_stop, timeout
        )

    def _limits_reached(self) -> bool:
        return (
            bool(self.limits)
            and all(self.limits[queue.name].reached for queue in self.queues)
            and not self._running
            and not self._batches
            and not self._live_connection.transport.has_waiting()
        )


def _finish(pollers: Sequence[Poller]) -> None:
    for poller in pollers:
        poller.finish()
