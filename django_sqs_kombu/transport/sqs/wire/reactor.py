"""Reactor: one thread that waits for answers, for times, and for what others ask of it."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ....logs import get_logger, handle_elsewhere
from ....new_threads import start_thread
from ..forks import keep_for_ever, renew_after_fork
from ..threads import Threads
from .loop import Loop

if TYPE_CHECKING:
    from .handles import Handle

logger = get_logger(__name__)

#: Seconds without anything to wait for after which the thread ends; what comes next starts it.
IDLE = 10.0
#: Seconds after which the thread looks again, whatever it was told.
LOOK = 5.0
#: Seconds by which a turn takes longer than it was to, from which on the process was stopped, or
#: had no CPU: what ended meanwhile was not noticed.
STALL = 1.0
#: Seconds that the thread pauses after a failure of its own.
PAUSE = 1.0
#: Seconds for which answers gather, while they come: what is done together costs less, and
#: whoever works on what has come is interrupted less often.
TOGETHER = 0.001
#: What a request ends with that was broken off, and one whose thread failed: libcurl's
#: CURLE_ABORTED_BY_CALLBACK and CURLE_FAILED_INIT.
BROKEN_OFF, FAILED = 42, 2
_FAILED = (FAILED, "the thread that waits for answers failed")


class Exchange:
    """A request under way in the reactor.

    :param handle: with the request prepared.
    :param done: called with it in the reactor's thread when it has ended; it must not wait for
        anything.
    :ivar error: libcurl's error and its text; None: it was answered.
    """

    __slots__ = ("_reactor", "done", "ended", "error", "handle")

    def __init__(self, reactor: Reactor, handle: Handle, done: Callable[[Exchange], None]) -> None:
        self._reactor = reactor
        self.handle = handle
        self.done = done
        self.error: tuple[int, str] | None = None
        self.ended = False

    def break_off(self) -> None:
        """End it now, without an answer; from any thread."""
        self._reactor.break_off(self)


class Timer:
    """A call that is to be made at a time.

    :ivar when: on the monotonic clock.
    """

    __slots__ = ("_call", "when")

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Make no call."""
        self._call = None

    def ring(self) -> None:
        """Make the call, unless it was cancelled."""
        if self._call is not None:
            self._call()


class Reactor:
    """Requests under way, calls to make, and the thread for both; safe to use from any thread.

    What it calls must be quick, and must not wait for anything.  The thread ends by itself when
    there is nothing to wait for.

    Nobody waits for a lock: a signal's handler that sends may interrupt whoever holds it, and
    would wait for ever for a thread that waits for the same.  Whoever asks says so first and then
    looks whether somebody must be started or woken; the thread says first that it sleeps, or ends,
    and then looks whether something was asked.
    """

    def __init__(self) -> None:
        self._setup()
        renew_after_fork(self)

    def _setup(self) -> None:
        #: Whether there is a thread, so that nobody need :meth:`revive` it; it writes that itself.
        self.runs = False
        self._thread: threading.Thread | None = None
        #: Held by the thread as long as it works: of several that were started, one has it.
        self._held = threading.Lock()
        #: The last that was started, and whether it has come to look for work.
        self._coming = SimpleNamespace(here=True)
        #: What is to be begun (True), to be broken off, to be called, and when.
        self._asked: deque[tuple[bool, Exchange] | Callable[[], None] | Timer] = deque()
        #: By when they are due, then in the order in which they came; the thread's alone.
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._sleeps_until = 0.0
        #: Whether the last turn brought answers, so that more may come soon.
        self._gathers = False
        self._under_way: dict[Any, Exchange] = {}
        self._loop: Loop | None = None
        self._awake_at = 0.0
        #: When it last noticed that it had been stalled, on the monotonic clock.
        self.stalled_at = -math.inf

    def renew_after_fork(self) -> None:
        """Leave the parent's requests and connections alone, in a forked child."""
        keep_for_ever((self._loop, self._under_way, list(self._asked)))
        self._setup()

    def begin(self, handle: Handle, done: Callable[[Exchange], None]) -> Exchange:
        """Send the request that *handle* has.

        :raises RuntimeError: no thread can be started.
        """
        exchange = Exchange(self, handle, done)
        self._ask((True, exchange))
        return exchange

    def break_off(self, exchange: Exchange) -> None:
        """End a request now, without an answer."""
        if not exchange.ended:
            self._ask((False, exchange))

    def soon(self, call: Callable[[], None]) -> None:
        """Call *call* in the thread.

        Where no thread can be started now, it is called when one could be for somebody else.
        """
        self._asked.append(call)
        self._wake()

    def at(self, when: float, call: Callable[[], None]) -> Timer:
        """Call *call* in the thread at *when*, on the monotonic clock."""
        timer = Timer(when, call)
        if self.is_here():
            self._set(timer)
            return timer
        self._asked.append(timer)
        if when < self._sleeps_until or self._thread is None:
            self._wake()
        return timer

    def revive(self) -> None:
        """Start the thread, should something be asked and no thread could be started for it."""
        if self._thread is None and (self._asked or self._timers):
            self._wake()

    def is_here(self) -> bool:
        """Whether the caller is in the thread, and so must not wait."""
        return self._thread is threading.current_thread()

    def _ask(self, asked: tuple[bool, Exchange]) -> None:
        self._asked.append(asked)
        try:
            self._start_or_wake()
        except RuntimeError:
            try:
                self._asked.remove(asked)
            except ValueError:
                # A thread that somebody else has started has taken it.
                return
            raise

    def _wake(self) -> None:
        try:
            self._start_or_wake()
        except RuntimeError as exc:
            logger.error("The thread that waits for SQS's answers cannot be started: %s", exc)

    def _start_or_wake(self) -> None:
        if self._thread is None:
            self._start()
        elif self._sleeps_until and (loop := self._loop) is not None:
            # Whoever comes next need not wake it again.
            with contextlib.suppress(OSError):
                self._sleeps_until = 0.0
                loop.wake()

    def _start(self) -> None:
        if not self._coming.here:
            return
        coming = SimpleNamespace(here=False)
        start_thread(threading.Thread(target=self._run, args=[coming], name="sqs-io", daemon=True))
        # Not before: who starts it may be interrupted by one who needs it now.
        self._coming = coming

    # In the thread.

    def _run(self, coming: SimpleNamespace) -> None:
        coming.here = True
        if not self._held.acquire(blocking=False):
            # The one there is looks once more when it has let go.
            return
        self._thread, self.runs = threading.current_thread(), True
        self._awake_at = time.monotonic()
        idle_at = self._awake_at + IDLE
        while True:
            try:
                if self._loop is None:
                    self._loop = Loop()
                self._turn(self._loop)
            except Exception:
                logger.exception(
                    "Waiting for SQS's answers failed; the requests in progress are aborted"
                )
                # It may fail for want of memory, too, and nobody else would end the requests.
                with contextlib.suppress(Exception):
                    self._fail()
                time.sleep(PAUSE)
            self._awake_at = now = time.monotonic()
            if self._under_way or self._asked or self._timers:
                idle_at = now + IDLE
            elif now >= idle_at and self._ends():
                return

    def _ends(self) -> bool:
        """End, unless something was asked meanwhile."""
        if not self.is_here():  # Renewed beneath this thread: the lock is another's.
            return True
        self._thread, self.runs = None, False
        self._held.release()
        if not self._asked or not self._held.acquire(blocking=False):
            return True
        self._thread, self.runs = threading.current_thread(), True
        return False

    def _turn(self, loop: Loop) -> None:
        self._begin_asked(loop)
        if self._gathers:
            self._gathers = False
            loop.send()
            time.sleep(TOGETHER)
            self._begin_asked(loop)
        self._ring()
        seconds = self._seconds_to_sleep()
        loop.wait(seconds)
        self._sleeps_until = 0.0
        if (now := time.monotonic()) > self._awake_at + seconds + STALL:
            self.stalled_at = now
        for curl, error in loop.ended():
            if (found := self._under_way.pop(curl, None)) is not None:
                self._end(found, error)
            # Nobody gains by it whose one request follows the other.
            self._gathers = bool(self._under_way)

    def _begin_asked(self, loop: Loop) -> None:
        while self._asked:
            asked = self._asked.popleft()
            if isinstance(asked, Timer):
                self._set(asked)
            elif not isinstance(asked, tuple):
                self._call(asked)
            elif asked[0]:
                self._begin(loop, asked[1])
            else:
                self._break_off(loop, asked[1])

    def _set(self, timer: Timer) -> None:
        heapq.heappush(self._timers, (timer.when, next(self._numbers), timer))

    def _seconds_to_sleep(self) -> float:
        now = time.monotonic()
        seconds = LOOK if self._under_way else IDLE
        if self._timers:
            seconds = max(0.0, min(seconds, self._timers[0][0] - now))
        # Whoever asks from now on, for anything before that time, wakes the loop.
        self._sleeps_until = now + seconds
        return 0.0 if self._asked else seconds

    def _ring(self) -> None:
        now, due = time.monotonic(), []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers)[2])
        # What they set for a time that has passed has its turn after all else.
        for timer in due:
            self._call(timer.ring)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            logger.exception("A job of the thread that waits for SQS's answers failed")

    def _begin(self, loop: Loop, exchange: Exchange) -> None:
        self._under_way[exchange.handle.curl] = exchange
        loop.add(exchange.handle.curl)

    def _break_off(self, loop: Loop, exchange: Exchange) -> None:
        # Its handle may have the next request by now.
        if self._under_way.get(exchange.handle.curl) is exchange:
            del self._under_way[exchange.handle.curl]
            loop.remove(exchange.handle.curl)
            self._end(exchange, (BROKEN_OFF, "it was cancelled"))

    def _fail(self) -> None:
        """End every request, and what was waited with: whoever asked may ask again."""
        loop, self._loop = self._loop, None
        if loop is not None:
            with contextlib.suppress(Exception):
                loop.close(list(self._under_way))
        # One by one: where memory is short there is none for a list of them.
        for _ in range(len(self._asked)):
            asked = self._asked.popleft()
            if not isinstance(asked, tuple):
                self._asked.append(asked)
            elif asked[0]:
                self._end(asked[1], _FAILED)
        while self._under_way:
            self._end(self._under_way.popitem()[1], _FAILED)

    def _end(self, exchange: Exchange, error: tuple[int, str] | None) -> None:
        exchange.error = error
        exchange.ended = True
        try:
            exchange.done(exchange)
        except Exception:
            logger.exception("Handling an answer from SQS failed")


#: The one of this process.
reactor = Reactor()
_logs = Threads("sqs-logs", most=1)
handle_elsewhere(lambda: not reactor.is_here(), _logs.run, _logs.finish)
