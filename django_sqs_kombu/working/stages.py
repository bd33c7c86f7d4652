"""Stages: the threads that do what is done before and after asynchronous receivers."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import FrameType

from ..logs import get_logger
from ..transport.sqs.threads import Threads

logger = get_logger(__name__)

#: How many there are, and how many more while these wait for what hangs.
USUAL, MORE = 4, 12
#: They last as long as the loop: they have database connections.
LASTING = 1e8
#: Seconds without work after which one of those more ends.
IDLE = 10.0
#: Seconds for which nothing is begun, though there is work, before there are more.
STALLED = 1.0
#: Seconds between two log records of that.
SAY = 30.0


class Stages:
    """A few threads, and more while those wait: what hangs is to hold up no other message.

    :param most: how many there are at most.
    :param leave: called in each before it ends.
    """

    def __init__(self, most: int, leave: Callable[[], None]) -> None:
        self._usual = Threads("sqs-stage", min(USUAL, most), LASTING, leave)
        self._more = Threads("sqs-stage-more", MORE, IDLE, leave)
        self._jobs: deque[Callable[[], None]] = deque()
        #: When the work of each thread began, by its identity.
        self._busy: dict[int, float] = {}
        self._begun_at = time.monotonic()
        self._says_at = 0.0

    def run(self, job: Callable[[], None]) -> None:
        """Do *job* in a thread, soon.

        :raises RuntimeError: there is none, and none can be started.
        """
        if not self._jobs:
            self._begun_at = time.monotonic()
        self._jobs.append(job)
        try:
            self._usual.run(self._next)
        except RuntimeError:
            try:
                self._jobs.remove(job)
            except ValueError:
                # Another has begun it.
                return
            raise

    def look(self) -> None:
        """Have more threads where all of them wait; called about once a second."""
        now = time.monotonic()
        if not self._jobs or now - self._begun_at < STALLED:
            return
        if now >= self._says_at:
            self._says_at = now + SAY
            self._say(now)
        for _ in range(min(len(self._jobs), USUAL)):
            try:
                self._more.run(self._next)
            except RuntimeError as exc:
                logger.error("No more threads can be started for asynchronous receivers: %s", exc)
                return

    def end(self, timeout: float) -> None:
        """Have them end; wait for *timeout* seconds at most."""
        self._usual.end(timeout)
        self._more.end(timeout)

    def _next(self) -> None:
        try:
            job = self._jobs.popleft()
        except IndexError:
            return
        mine = threading.get_ident()
        self._busy[mine] = self._begun_at = time.monotonic()
        try:
            job()
        finally:
            del self._busy[mine]

    def _say(self, now: float) -> None:
        busy = list(self._busy.items())
        oldest, since = min(busy, key=lambda each: each[1], default=(0, now))
        frame = sys._current_frames().get(oldest)
        where = "an unknown place" if frame is None else _place(frame)
        del frame
        logger.error(
            "%d steps of messages are waiting for %d threads; the one busy for longest has been "
            "in %s for %.0f s: something hangs there, such as a database, a cache or SQS",
            len(self._jobs),
            len(busy),
            where,
            now - since,
        )


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_name}, line {frame.f_lineno} of {frame.f_code.co_filename},"
