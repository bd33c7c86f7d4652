"""Threads: run what may wait for long, so that nobody else waits for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ...logs import get_logger
from ...new_threads import start_thread, without_fail
from .abort import abort_request, allow_requests
from .forks import renew_after_fork

logger = get_logger(__name__)

#: Seconds without work after which a thread ends.
IDLE = 5.0


class _Start:
    """Of a thread: it begins no work before whoever starts it knows whether it counts."""

    def __init__(self) -> None:
        self.is_decided = threading.Event()
        self.counts = False


class Threads:
    """Threads that come with the work, and go when there is none; safe to use from any thread.

    :param name: theirs.
    :param most: how many there are at most; None: as many as have work.
    :param idle: seconds without work after which one ends.
    :param leaving: called in each before it ends.
    """

    def __init__(
        self,
        name: str,
        most: int | None = None,
        idle: float = IDLE,
        leaving: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._most = most
        self._idle_for = idle
        self._leaving = leaving
        self._setup()
        renew_after_fork(self)

    def _setup(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._jobs: deque[Callable[[], None]] = deque()
        self._alive = 0
        self._idle = 0
        self._leaving_now = 0
        self._ends = False
        #: How many threads wait for the end of all work.
        self._waiting = 0

    def renew_after_fork(self) -> None:
        """Leave the parent's threads and work alone, in a forked child."""
        self._setup()

    def run(self, job: Callable[[], None]) -> None:
        """Run *job* in a thread, as soon as there is one.

        :raises RuntimeError: there is none, and none can be started.
        """
        with self._changed:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._changed.notify()
                return
            if self._most is not None and self._alive >= self._most:
                return
            self._alive += 1
        # Not under the lock. A start takes a while, in which a signal handler may come that waits
        # for work of these threads; they would wait for the lock, and so for that handler.
        self._start(job)

    def finish(self, timeout: float) -> bool:
        """Wait until all that was to be run has been, for *timeout* seconds; return whether so."""
        with self._changed:
            self._waiting += 1
            try:
                return self._changed.wait_for(
                    lambda: not self._jobs and self._idle == self._alive, timeout
                )
            finally:
                self._waiting -= 1

    def end(self, timeout: float) -> None:
        """Have the threads end when they have no work; wait for *timeout* seconds at most."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._alive and not self._leaving_now, timeout)
            finally:
                self._waiting -= 1

    def _start(self, job: Callable[[], None]) -> None:
        start = _Start()
        try:
            start_thread(
                threading.Thread(target=self._run, args=[start], name=self._name, daemon=True)
            )
            start.counts = True
        except BaseException as exc:
            # Also a Ctrl-C or a time limit, after which it may run all the same.
            refused = isinstance(exc, RuntimeError)
            if not (self._give_up(job, refused=refused) and refused):
                raise
        finally:
            start.is_decided.set()

    def _give_up(self, job: Callable[[], None], *, refused: bool) -> bool:
        """A thread for *job* was not started; return whether *job* is done all the same.

        :param refused: whether the system has no thread now.
        """
        with self._changed:
            self._alive -= 1
            # Whoever waits may have counted this one.
            self._changed.notify_all()
            if job not in self._jobs or (refused and self._alive and self._most is not None):
                # Those there are have come to it, or will.
                return True
            self._jobs.remove(job)
            left = [] if self._alive else [*self._jobs]
            for each in left:
                self._jobs.remove(each)
        # Others have relied upon this thread meanwhile.
        for each in left:
            self._do(each)
        return False

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        except (Exception, SystemExit):
            # The thread goes on, for those who rely upon it.
            logger.exception("A job of thread %s failed", self._name)

    # In the threads.

    def _run(self, start: _Start) -> None:
        without_fail(start.is_decided.wait)
        if not start.counts:
            return
        while (job := without_fail(self._next)) is not None:
            self._do(job)
            # What it worked on must not live until the next job.
            del job
        self._leave()

    def _next(self) -> Callable[[], None] | None:
        end = time.monotonic() + self._idle_for
        with self._changed:
            self._idle += 1
            if self._waiting:
                self._changed.notify_all()
            try:
                while not self._jobs:
                    left = 0.0 if self._ends else end - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        if self._jobs:
                            break
                        self._alive -= 1
                        self._leaving_now += 1
                        return None
                return self._jobs.popleft()
            finally:
                self._idle -= 1

    def _leave(self) -> None:
        try:
            if self._leaving is not None:
                self._leaving()
        except Exception:
            logger.exception("Cleaning up at the end of thread %s failed", self._name)
        finally:
            with self._changed:
                self._leaving_now -= 1
                self._changed.notify_all()


class ThreadedCall:
    """Something that may wait, such as a request of botocore's, done in a thread.

    :param work: what is done; what comes of it is its own to tell.
    :param broken_off: called in its place where it is broken off before it has begun.
    """

    def __init__(self, work: Callable[[], None], broken_off: Callable[[], None]) -> None:
        self._work = work
        self._broken_off = broken_off
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_broken_off = False

    def run(self) -> None:
        """Do it, in this thread."""
        with self._lock:
            self._thread = threading.current_thread()
        try:
            if self._is_broken_off:
                self._broken_off()
            else:
                self._work()
        finally:
            with self._lock:
                self._thread = None
            allow_requests()

    def break_off(self) -> None:
        """Have its request end without an answer; from any thread."""
        with self._lock:
            self._is_broken_off = True
            if self._thread is not None:
                abort_request(self._thread)


#: For polls, each of which may wait for 20 seconds.
polls = Threads("sqs-poll")
#: For all else that is asked of SQS: what hangs must not hold up the others.
work = Threads("sqs-work", most=8)
#: For what follows from an answer and may take its time.
_aside = Threads("sqs-aside", most=8)


def aside(job: Callable[[], None], threads: Threads = _aside) -> None:
    """Have *job* done by a thread that may wait; here, where there is none."""
    try:
        threads.run(job)
    except RuntimeError:
        # At an exit, say. To hold up others is better than not to do it.
        job()
