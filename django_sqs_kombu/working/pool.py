"""Pool: the threads that receivers run in."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ..logs import get_logger
from ..new_threads import start_thread
from ..reminders import Reminders

logger = get_logger(__name__)

Job = tuple[Callable[..., object], tuple[Any, ...]]

#: Seconds up to which a call is quick: to wake a thread for it costs more than to wait for the
#: one that is awake already.
QUICK = 0.0002
#: Seconds that quick calls which are submitted may wait for that thread.
PATIENCE = 0.002
#: The most seconds that one call counts for, and how much the latest counts: some of them wait
#: for this process's own threads.
MOST_COUNTED, LATEST = 0.002, 0.1
#: Seconds after which a thread that could not be started is tried again.
TRY_AGAIN = 1.0


class Pool:
    """Threads that come with the work; leaving its context waits for their end.

    An executor of the standard library makes a future, a lock and a condition for each call,
    which costs more than all that is done for a message here; and it wakes a thread for each.
    Here calls that are quick are made by the thread that is awake, one after the other, as long
    as whoever submits them comes back soon to see that they are: see :meth:`wait_if_quick`.

    :param most: how many threads there are at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: deque[Job] = deque()
        self._threads: list[threading.Thread] = []
        #: Of the threads that wait for work; the latest to come is the first to be woken.
        self._idle: list[threading.Lock] = []
        #: Of all threads: each is released for a thread to go on.
        self._locks: list[threading.Lock] = []
        #: Whether one was woken that has not looked for work yet.
        self._coming = False
        #: Whether quick calls wait for the thread that is awake.
        self._patient = False
        #: How long a call takes, on average; at first it is not known.
        self._seconds = MOST_COUNTED
        self._taken = threading.Lock()
        self._awaited = False
        self._ends = False
        #: When a thread is started again, after one could not be.
        self._starts_at = 0.0
        self._reminders = Reminders()

    def __enter__(self) -> Pool:
        # The first thread, before there is a message that needs it.
        self._start()
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ends = True
        self._patient = False
        # Not only those that are known to be idle: what ends this may have come, as Ctrl+C in a
        # script may, in the moment in which one was to be woken.
        for lock in list(self._locks):
            _release(lock)
        for thread in self._threads:
            thread.join()

    def submit(self, busy: int, call: Callable[..., object], *args: Any) -> None:
        """Call *call* in a thread; by one thread only.

        :param busy: how many calls there are that have not ended, this one included.
        """
        quick = self._seconds < QUICK
        self._patient = quick and busy >= self._most
        self._jobs.append((call, args))
        if not (quick and self._coming):
            self._wake()
        if len(self._threads) < min(busy, self._most):
            self._start_another()

    def wait_if_quick(self) -> None:
        """Where all threads have work: wait for a moment until they have begun all of it.

        Whoever submits calls this before it waits for anything else.
        """
        if not self._patient:
            return
        self._taken.acquire(blocking=False)
        self._awaited = True
        if self._jobs:
            self._taken.acquire(timeout=PATIENCE)
        self._awaited = self._patient = False
        # They are not so quick after all.
        for _ in range(len(self._jobs)):
            self._wake()

    def _wake(self) -> bool:
        try:
            idle = self._idle.pop()
        except IndexError:
            return False
        self._coming = True
        _release(idle)
        return True

    def _start_another(self) -> None:
        now = time.monotonic()
        if now < self._starts_at:
            return
        try:
            self._start()
        except RuntimeError as exc:
            # One of those there comes to the call: taken back, it would be made twice.
            self._starts_at = now + TRY_AGAIN
            if self._reminders.is_due("threads", now):
                logger.error("No further thread can be started for receivers: %s", exc)

    def _start(self) -> None:
        name = f"sqs-receiver_{len(self._threads)}"
        mine = threading.Lock()
        mine.acquire()
        thread = threading.Thread(target=self._run, args=[mine], name=name, daemon=True)
        start_thread(thread)
        self._locks.append(mine)
        self._threads.append(thread)

    # In the threads.

    def _run(self, mine: threading.Lock) -> None:
        while (job := self._take(mine)) is not None:
            call, args = job
            begun = time.monotonic()
            try:
                call(*args)
            except BaseException:
                # Such as the SystemExit of a receiver: a message's end is no thread's.
                logger.exception("A job of a thread for receivers ended with an exception")
            took = min(time.monotonic() - begun, MOST_COUNTED)
            self._seconds += LATEST * (took - self._seconds)
            # What it worked on must not live until the next message.
            del job, call, args

    def _take(self, mine: threading.Lock) -> Job | None:
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:
                if self._ends:
                    return None
                self._wait(mine)
                continue
            self._coming = False
            if not self._jobs:
                if self._awaited:
                    self._awaited = False
                    # Another thread may have said so in the same moment.
                    _release(self._taken)
            elif not self._patient:
                self._wake()
            return job

    def _wait(self, mine: threading.Lock) -> None:
        """Wait until there may be work."""
        self._coming = False
        self._idle.append(mine)
        if self._jobs or self._ends:
            # It came in between, and nobody may have seen that this one is idle.
            try:
                self._idle.remove(mine)
            except ValueError:
                pass
            else:
                return
        mine.acquire()


def _release(lock: threading.Lock) -> None:
    """Release a lock, unless another thread has."""
    try:  # noqa: SIM105 - called for each message
        lock.release()
    except RuntimeError:
        pass
