"""StoppableConsumer: how a consumer of messages is stopped, woken, and ended in time."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import kombu
from kombu.mixins import ConsumerMixin

from ..logs import get_logger
from ..new_threads import start_thread
from ..quotas import MAX_WAIT_TIME
from ..transport.delivery import Delivery
from ..transport.receiving.poller import Poller
from .attempt import runs_receiver
from .beside import Beside
from .coroutine_crew import CoroutineCrew
from .interrupts import Interrupts
from .middleware import Middleware, tell
from .outcomes import say_cut_off
from .registered import Registered
from .under_way import UnderWay

logger = get_logger(__name__)

#: Seconds before the end of the grace period at which polls are broken off.
BREAK_OFF_MARGIN = 2.0
#: After a stop messages are started while this share of the grace period is left, and so many
#: times what the longest receiver took.
GRACE_SHARE, LONGEST_SHARE = 1 / 3, 2
#: Seconds between two looks whether a message may be started after a stop.
LOOK = 0.1
#: Seconds between two looks whether the polls have ended.
TURN = 0.05
#: Seconds that asynchronous receivers may take to end when they are cut off.
CUT_OFF_TIMEOUT = 1.0
#: Seconds in which SQS is told, before the process exits, what became of the last messages.
FLUSH_TIMEOUT = 2.0


class _NotConnected(Exception):
    """The consumer was stopped while no broker answered."""


class StoppableConsumer(ConsumerMixin):  # type: ignore[misc]
    """What a consumer needs to be stopped from any thread, or in a signal handler.

    :param middleware: is told of a stop.
    :param grace_period: seconds that running receivers may take after :meth:`stop`.
    """

    def __init__(self, middleware: Sequence[Middleware], grace_period: float) -> None:
        self.grace_period = grace_period
        self.should_stop = False
        #: Whether messages that were received are started after a stop, where receives count.
        self.starts_after_stop = True
        #: When it was told to stop, on the monotonic clock.
        self._stopped_at: float | None = None
        #: How many seconds the longest receiver so far took.
        self._longest = 0.0
        self._middleware = middleware
        self._live_connection: Any = None
        self._channel: Any = None
        #: Registered and kombu queues by the name in SQS.
        self._sources: dict[str, tuple[Registered, kombu.Queue]] = {}
        self._running = UnderWay()
        self._ended = threading.Event()
        #: No event: a signal's handler sets it, whatever it interrupts.
        self._breaking_off = False
        #: Runs this one's receivers, where these are asynchronous and run together.
        self._crew: CoroutineCrew | None = None
        #: Runs such receivers beside this one, which stops it, and what runs that.
        self._other: StoppableConsumer | None = None
        self._beside: Beside | None = None
        self._is_beside = False

    def beside(self, first: StoppableConsumer) -> Beside:
        """This consumer, in a thread of its own beside the first one."""

        def on_end() -> None:
            if beside.error is not None:
                first.stop()
            else:
                # It may be what was waited for.
                first._go_round()

        beside = Beside(self.run, self.stop, on_end, first.on_turn)
        self._is_beside = True
        return beside

    def _go_round(self) -> None:
        """Have the thread that waits for messages look at all else; from any thread."""
        if self._live_connection is not None:
            self._live_connection.transport.wake()

    def run(self, _tokens: int = 1, **kwargs: Any) -> None:
        """Consume until stopped, also by Ctrl-C in a script.

        :raises KeyboardInterrupt: by Ctrl-C, unless in a receiver, whose message is given back.
        """
        with Interrupts(self.stop, self._stops, runs_receiver), suppress(_NotConnected):
            super().run(_tokens, **kwargs)

    @contextmanager
    def establish_connection(self) -> Iterator[kombu.Connection]:
        """Connect as Kombu's does, which tries for ever; a stop ends that."""
        with self.create_connection() as connection:
            connection.ensure_connection(
                self.on_connection_error,
                self.connect_max_retries,
                callback=self._stop_connecting,
            )
            yield connection

    def _stop_connecting(self) -> None:
        if self.should_stop:
            raise _NotConnected

    def consume(
        self,
        limit: int | None = None,
        timeout: float | None = None,
        safety_interval: float = 1,
        **kwargs: Any,
    ) -> Iterator[None]:
        """Consume as Kombu's does; it looks after the connection only when no message comes."""
        elapsed = 0.0
        with self.consumer_context(**kwargs) as (connection, _, _):
            drain_events = connection.transport.drain_events
            for _ in range(limit) if limit else itertools.count():
                if self.should_stop:
                    break
                self.on_iteration()
                try:
                    drain_events(connection, safety_interval)
                except TimeoutError:
                    # It connects, should that be necessary.
                    connection.heartbeat_check()
                    drain_events = connection.transport.drain_events
                    elapsed += safety_interval
                    if timeout and elapsed >= timeout:
                        raise
                except OSError:
                    if not self.should_stop:
                        raise
                else:
                    yield
                    elapsed = 0.0

    def on_turn(self) -> None:
        """Called about once a second, between messages; does nothing."""

    def give_back_gathered(self) -> None:
        """Give back what waits to be received with others."""

    def under_way(self) -> list[Delivery]:
        """What was started and has not ended."""
        return list(self._running)

    def _grace_left(self) -> float:
        """How many seconds receivers may run still; infinite before a stop."""
        if not self.should_stop:
            return math.inf
        if self._stopped_at is None:
            # Ctrl-C in a receiver.
            return 0.0
        return self._stopped_at + self.grace_period - time.monotonic()

    def _stops(self) -> bool:
        return self.should_stop

    def _starts_still(self) -> bool:
        """Whether a message may be started now.

        After a stop, those that were received, where that counts: given back, each would be
        nearer to the dead letters for nothing.  A stop lasts no longer for it than its polls may
        take, and what is started is to end within the grace period, as far as can be known.
        """
        if not self.should_stop:
            return True
        if self._stopped_at is None or self._channel is None or self._breaking_off:
            return False
        if not self.starts_after_stop:
            return False
        # Polls of a queue that stays empty wait for twice as long.
        polls = min(2.0 * max(1.0, self._channel.wait_time_seconds), MAX_WAIT_TIME)
        longest = max(self._longest, self._running.longest())
        needed = max(self.grace_period * GRACE_SHARE, LONGEST_SHARE * longest)
        return time.monotonic() - self._stopped_at < polls and self._grace_left() > needed

    def _hand_out_the_last(self) -> None:
        """At a stop: start what was received, and what polls under way bring."""
        if not self.should_stop or self._channel is None:
            return
        pollers = self._channel.stop_polling(hands_out=self._starts_still())
        while self._starts_still() and any(each.ending.under_way for each in pollers):
            self.on_turn()
            if self._has_place(LOOK):
                with suppress(TimeoutError):
                    self._live_connection.drain_events(timeout=LOOK)
        self._channel.stop_polling()

    def _has_place(self, timeout: float) -> bool:
        """Whether a message can be started, after so many seconds at most."""
        raise NotImplementedError

    def _is_polled(self, queue: str) -> bool:
        poller = self._channel.pollers.get(queue)
        return poller is not None and poller.polls

    def _finish_polling(self) -> None:
        self._channel.stop_polling(break_off=self._channel.break_off_polls)
        self._channel.finish_polling()

    def _channels(self) -> list[Any]:
        return [each._channel for each in self._both() if each._channel is not None]

    def _both(self) -> Iterator[StoppableConsumer]:
        yield self
        if self._other is not None:
            yield self._other

    def stop(self, *, break_off: bool = False) -> None:
        """Stop receiving; safe in a signal handler and from any thread.

        Polls under way end by themselves, within twice the poll period, and messages that
        were not started then become visible to others.  Where receives count, those that were
        received are started as far as time allows.  What a batch receiver had gathered is
        received at once.  Running receivers may finish within
        the grace period; then :meth:`on_grace_expired` is called.

        :param break_off: break off polls under way.  SQS may not notice at once, and hide
            messages that come then for their visibility timeout.  Near the end of the grace
            period that is done all the same.
        """
        if break_off:
            self._breaking_off = True
        if self._other is not None:
            self._other.grace_period = self.grace_period
            self._other.starts_after_stop = self.starts_after_stop
            self._other.stop(break_off=break_off)
        if not self.should_stop:
            self._stopped_at = time.monotonic()
            self.should_stop = True
            if not self._is_beside:
                tell(self._middleware, lambda each: each.stopping())
            try:
                start_thread(threading.Thread(target=self._wind_down, name="sqs-stop", daemon=True))
            except RuntimeError as exc:
                # The consumer sees that it should stop all the same, a second later.
                logger.error("No thread could be started to watch over the stop: %s", exc)

    def wake(self, *queue_names: str) -> None:
        """Poll at once these queues, or all, that are idle and rest; from any thread."""
        for each in self._both():
            if each._live_connection is not None:
                each._live_connection.transport.wake_polling(each._full_names(queue_names))

    def look_for_pauses(self, *queue_names: str) -> None:
        """Look now whether these queues, or all, are paused or resumed; from any thread."""
        for each in self._both():
            if each._live_connection is not None:
                each._live_connection.transport.look_for_pauses(each._full_names(queue_names))

    def _full_names(self, queue_names: Collection[str]) -> list[str]:
        sources = list(self._sources.items())
        return [n for n, (own, _) in sources if not queue_names or own.name in queue_names]

    def _wind_down(self) -> None:
        deadline = time.monotonic() + self.grace_period
        if self._live_connection is not None:
            transport = self._live_connection.transport
            # Kept, since the connection may be closed meanwhile, which waits for them.
            hands_out = self._starts_still()
            pollers = transport.stop_polling(hands_out=hands_out)
            transport.wake()
            self._running.look()
            # What waits then is given back as soon as the polls have ended, whatever still runs.
            finish = threading.Thread(
                target=_finish, args=(pollers,), name="sqs-finish", daemon=True
            )
            patience = max(self.grace_period - BREAK_OFF_MARGIN, self.grace_period / 2)
            until = deadline - self.grace_period + patience
            self._wait_for_polls(finish, until, pollers, hands_out=hands_out)
            for poller in pollers:
                poller.stop(break_off=True)
        if not self._ended.wait(max(0.0, deadline - time.monotonic())) and not self._is_beside:
            self.on_grace_expired()

    def _wait_for_polls(
        self,
        finish: threading.Thread,
        until: float,
        pollers: Sequence[Poller],
        *,
        hands_out: bool,
    ) -> None:
        begun = _begun(finish)
        while (not begun or finish.is_alive()) and time.monotonic() < until:
            begun = begun or _begun(finish)
            if self._breaking_off or self._ended.is_set():
                return
            if hands_out and not self._starts_still():
                hands_out = False
                for poller in pollers:
                    poller.stop()
            finish.join(TURN) if begun else time.sleep(TURN)

    def on_grace_expired(self) -> None:
        """Called when receivers still run after the grace period.

        Asynchronous ones that run together are cancelled and their messages given back; of all
        others it is logged.
        """
        self._cut_off_crews()
        for each in self._both():
            each.give_back_gathered()
        for delivery in [delivery for each in self._both() for delivery in each.under_way()]:
            logger.error(
                "The receiver of message %s of queue %s is still running %g s after the stop",
                delivery.message_id,
                delivery.queue,
                self.grace_period,
            )

    def _cut_off_crews(self) -> None:
        until = time.monotonic() + CUT_OFF_TIMEOUT
        cut = [each for each in self._both() if each._crew is not None]
        for each in cut:
            if each._crew is not None:
                each._crew.cut_off()
        for running in [each._running for each in cut]:
            running.wait_until(partial(_none, running), max(0.0, until - time.monotonic()))

    def release_running(self) -> None:
        """Settle what is done and give back what still runs, before the process exits."""
        until = time.monotonic() + FLUSH_TIMEOUT
        for channel in self._channels():
            # One under way would receive again what is given back, for nobody.
            channel.stop_polling(break_off=True)
        for each in self._both():
            each.give_back_gathered()
            running = each.under_way()
            if running:
                # Before: what is given back counts as settled.
                for delivery in running:
                    say_cut_off(each._sources[delivery.queue][0], delivery)
                each._channel.release(running)
        for channel in self._channels():
            channel.finish(max(0.0, until - time.monotonic()))


def _none(running: UnderWay) -> bool:
    return not running


def _begun(thread: threading.Thread) -> bool:
    """Start *thread*, if there is one to be had now."""
    try:
        start_thread(thread)
    except RuntimeError:
        return False
    return True


def _finish(pollers: Sequence[Poller]) -> None:
    for poller in pollers:
        poller.finish()
