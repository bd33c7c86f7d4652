"""ReceiverConsumer: receives messages, runs their receivers, and settles them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import kombu

from ..exceptions import ConfigurationError, NoReceiver
from ..logs import get_logger
from ..rules import check_consumer
from ..transport.delivery import Delivery
from ..transport.receiving.consumption import Consumption
from ..transport.receiving.message_limit import LocalLimit, ReceiveLimit
from .batch_crew import BatchCrew, Host
from .circuits import Circuits
from .coroutine_crew import CoroutineCrew
from .coroutine_run import Work
from .cut_off import CutOff
from .early_burial import warn_of_early_burial
from .expired import abandon
from .gate import Gate
from .going_on import worker_stops
from .handling import Handled, handle
from .late import received, taking_all
from .left_behind import let_go_of_frames
from .middleware import ADMITTED, Middleware, admission, tell
from .outcomes import settle_undecodable
from .pool import Pool
from .queue_consumer import ACCEPT, of_queues
from .registered import Registered, Registry
from .slots import ticking
from .stoppable import StoppableConsumer

logger = get_logger(__name__)


class ReceiverConsumer(StoppableConsumer):
    """A kombu consumer that runs the receivers of registered queues.

    :param receivers: the registry.
    :param queues: the queues to receive from; default all that have a receiver.
    :param suffix: the queue name suffix to use with each.
    :param threads: how many receivers run at once.  One: in the calling thread.
    :param coroutines: how many asynchronous receivers run at once in addition, together on one
        event loop in a thread of its own; up to *threads* further threads run the synchronous
        code that they await.  None: they run in *threads*, too.
    :param prefetch: how many messages of a queue are held at most, running or waiting;
        default: as many as hide the time that a request takes, but only what can be started
        within a third of the visibility timeout.
    :param message_limit: stop after receiving this many messages of each queue.
    :param limits: message limits by queue name, shared with other processes.
    :param grace_period: seconds that running receivers may take after :meth:`stop`.
    :param one_by_one: whether to hold only one message at a time, because a message that kills its
        process would waste a receive of the others it holds.

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
        coroutines: int | None = None,
        prefetch: int | None = None,
        message_limit: int | None = None,
        limits: Mapping[str, ReceiveLimit] | None = None,
        grace_period: float = 30.0,
        one_by_one: Callable[[], bool] | None = None,
    ) -> None:
        check_consumer(threads, prefetch, message_limit, grace_period, coroutines)
        self._chosen = queues is not None
        self.queues = list(received(receivers) if queues is None else queues)
        self.suffix = suffix
        self.threads = threads
        self.prefetch = prefetch or 0
        super().__init__(receivers.middleware, grace_period)
        self.limits = dict(limits or {})
        self._receivers = receivers
        #: All that limits a queue, by its name; and the circuits among that.
        self._limits: dict[str, ReceiveLimit] = {}
        self._circuits = Circuits(receivers)
        self._gate = Gate()
        self._one_by_one = one_by_one
        self._validate(message_limit)
        if self.limits:
            self._running.watch(self._go_round)
        #: The queues that this consumer receives from; the others are the other one's.
        self._own = self._divide(coroutines) if coroutines is not None else self.queues
        self._places = threads if self._crew is None else self._crew.most
        self.connection = receivers.new_connection()
        self._pool: Pool | None = None
        host = Host(
            free=self._free,
            stops=self._stops,
            left=self._grace_left,
            polled=self._is_polled,
            limits=self.limits,
            connection=lambda: self._live_connection,
            one_by_one=one_by_one,
            abandon=self._abandon,
            give_back=self._give_back,
            handled=self._handled,
            end=self._running.discard,
        )
        self._batches = BatchCrew(host, self._circuits, self._gate)
        self._work_of_crew = Work(
            self._gate, self._stops, self._too_late, self._handled, self._running.discard
        )

    def _validate(self, message_limit: int | None) -> None:
        if message_limit is not None:
            self.limits = {queue.name: LocalLimit(message_limit) for queue in self.queues}
        for queue in self.queues:
            if queue.receiver is None:
                raise NoReceiver(queue.name)
        if not self.queues:
            raise ConfigurationError("There is no queue to receive from: register a receiver")

    def _divide(self, coroutines: int) -> list[Registered]:
        """Have receivers that may run on a loop do so; return the queues of this consumer."""
        on_loop = [queue for queue in self.queues if queue.runs_on_loop]
        others = [queue for queue in self.queues if not queue.runs_on_loop]
        if not on_loop:
            none = ", ".join(repr(queue.name) for queue in others)
            raise ConfigurationError(
                f"coroutines={coroutines} is for receivers written as 'async def', and none of "
                f"the queues {none} has one that can run that way. Leave it out"
            )
        if not others:
            self._crew = CoroutineCrew(
                coroutines, self.threads, self._receivers, lambda: self._running.look()
            )
            return on_loop
        names = [queue.name for queue in on_loop]
        self._other = other = ReceiverConsumer(
            self._receivers,
            on_loop,
            suffix=self.suffix,
            threads=self.threads,
            coroutines=coroutines,
            prefetch=self.prefetch or None,
            limits={name: limit for name, limit in self.limits.items() if name in names},
            grace_period=self.grace_period,
            one_by_one=self._one_by_one,
        )
        other._share(self._gate)
        return others

    def _share(self, gate: Gate) -> None:
        """Run a message alone that is to be alone also among those of another consumer."""
        self._gate = gate
        self._work_of_crew = replace(self._work_of_crew, gate=gate)

    # Start.

    def run(self, _tokens: int = 1, **kwargs: Any) -> None:
        """Receive until stopped, or until the limits are reached."""
        try:
            with ExitStack() as stack:
                ticks = self.ticks and not self._is_beside
                stack.enter_context(ticking(self._receivers.select if ticks else list))
                stack.enter_context(taking_all(self._receivers, self.queues, chosen=self._chosen))
                if self._crew is not None:
                    stack.enter_context(self._crew)
                if self._other is not None:
                    self._beside = stack.enter_context(self._other.beside(self))
                super().run(_tokens, **kwargs)
        finally:
            self._ended.set()

    # The hooks of kombu's ConsumerMixin.

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803
        """A kombu consumer for each queue."""
        consumers = []
        observed = any(type(each).polled is not Middleware.polled for each in self._middleware)
        for registered in self._own:
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
                    keeps=partial(self._circuits.keeps, registered, queue.name),
                    free=self._free,
                    one_by_one=self._one_by_one,
                    lasting=True,
                    most=self._circuits.most(registered, queue.name, lambda: self._places),
                    gathers=self._batches.open(registered, queue, self.prefetch),
                )
            )
            consumers.append(
                of_queues(Consumer)(
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
        self._live_connection, self._channel = connection, channel
        logger.info("Receiving from %s", ", ".join(c.queues[0].name for c in consumers))
        if self.should_stop:
            connection.transport.stop_polling()

    @contextmanager
    def extra_context(self, connection: Any, channel: Any) -> Iterator[None]:
        """What receivers run in, whose end waits for those that run."""
        threads = self.threads > 1 and self._crew is None
        with Pool(self.threads) if threads else nullcontext() as self._pool:
            try:
                yield
                self._receive_gathered()
                self._hand_out_the_last()
                self._receive_gathered()
            finally:
                if self._batches:
                    # A poll under way would bring them again.
                    self._finish_polling()
                    self.give_back_gathered()
                if self._crew is not None:
                    self._running.wait_until(lambda: not self._running, None)

    def on_iteration(self) -> None:
        """Before each wait for a message: wait for a free thread, and see the limits."""
        self.on_turn()
        self._wait_for_a_thread()
        while self._batches.gathers and (gathered := self._batches.take()):
            self._start(gathered.deliveries[0], self._batches.work, gathered)
            self._wait_for_a_thread()
        if self.limits and self._limits_reached():
            self.should_stop = True
            # It waits for messages once more.
            self._go_round()

    def _wait_for_a_thread(self) -> None:
        if self._pool is None and self._crew is None:
            return
        while not self._wait_for_free_thread(timeout=1.0):
            self.on_turn()

    def _receive_gathered(self) -> None:
        """At a stop: start what is gathered, as far as the grace period allows."""
        while self._batches and (left := self._grace_left()) > 0:
            running = len(self._running)
            if self._free() > 0 and (gathered := self._batches.take()):
                self._start(gathered.deliveries[0], self._batches.work, gathered)
            elif not self._running.wait_for_fewer(running, left):
                return

    def give_back_gathered(self) -> None:
        """Give back what waits to be received with others."""
        self._batches.give_back(everything=True)

    def under_way(self) -> list[Delivery]:
        """What was started and has not ended."""
        return [*self._running, *self._batches.beside()]

    def on_decode_error(self, message: Delivery, exc: Exception) -> None:
        """Settle a message whose payload is gone, or whose compression Kombu cannot undo."""
        registered, _ = self._sources[message.queue]
        settle_undecodable(registered, message, exc)

    def on_message(self, delivery: Delivery) -> None:
        """Start a message that was received, unless it is too late for it."""
        registered, queue = self._sources[delivery.queue]
        if (self.should_stop or self._circuits.any) and self._refuses(registered, delivery):
            return
        if self._crew is not None:
            self._running.add(delivery)
            self._crew.start(self._work_of_crew, registered, queue, delivery)
        elif not (self._batches.gathers and self._batches.add(delivery)):
            self._start(delivery, self._work, registered, queue, delivery)

    def _start(self, delivery: Delivery, work: Callable[..., None], *args: Any) -> None:
        self._running.add(delivery)
        if self._pool is None:
            work(*args)
        else:
            self._pool.submit(len(self._running), work, *args)

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
        raised = handled.attempt.raised
        self._longest = max(self._longest, handled.attempt.seconds)
        if self._circuits.any and not isinstance(raised, CutOff):
            self._circuits.ended(delivery.queue, raised)
        if raised is not None:
            if isinstance(raised, KeyboardInterrupt):
                self.should_stop = self._breaking_off = True
            let_go_of_frames(raised)

    def _refuses(self, registered: Registered, delivery: Delivery) -> bool:
        """Give back a message that is not to be started now."""
        starts = not self.should_stop or self._starts_still()
        if starts and not (self._circuits.any and self._circuits.refuses(delivery.queue)):
            return False
        self._give_back(registered, delivery)
        return True

    def _too_late(self, registered: Registered, delivery: Delivery) -> bool:
        if delivery.expired:
            self._abandon(registered, delivery)
            return True
        return self._refuses(registered, delivery)

    def _polled(self, registered: Registered, received: int) -> None:
        tell(self._middleware, lambda each: each.polled(registered, received))

    def _abandon(self, registered: Registered, delivery: Delivery) -> None:
        abandon(delivery)
        self._uncount(registered)

    def _give_back(self, registered: Registered, delivery: Delivery) -> None:
        self._circuits.give_back(registered, delivery, stops=self.should_stop)
        self._uncount(registered)

    def _uncount(self, registered: Registered) -> None:
        if registered.name in self._limits:
            self._limits[registered.name].give_back(1)

    def _free(self) -> int:
        free = self._places - len(self._running.started)
        return free if self._crew is None else free - self._crew.left_behind

    def _has_place(self, timeout: float) -> bool:
        return self._running.wait_until(lambda: self._free() > 0, timeout)

    def _wait_for_free_thread(self, timeout: float) -> bool:
        if self._pool is not None:
            self._pool.wait_if_quick()
        if self._free() > 0:
            return True
        return self._running.wait_until(lambda: self._free() > 0 or self.should_stop, timeout)

    def _limits_reached(self) -> bool:
        return (
            all(self.limits[queue.name].reached for queue in self._own)
            and not self._running
            and not self._batches
            and (self._beside is None or self._beside.ended)
            and not self._live_connection.transport.has_waiting()
        )
