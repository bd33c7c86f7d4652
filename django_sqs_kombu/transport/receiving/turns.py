"""Turns: so many things at once that nobody waits for in a thread; the others wait for theirs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from ..sqs.forks import renew_after_fork
from ..sqs.wire.reactor import reactor

#: Calls what it is given when it has ended, once, from any thread.
Job = Callable[[Callable[[], None]], None]


class Turns:
    """Begins jobs, so many at once; safe to use from any thread.

    :param most: how many are under way at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._setup()
        renew_after_fork(self)

    def _setup(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._later: deque[Job] = deque()
        self._under_way = 0

    def renew_after_fork(self) -> None:
        """Leave the parent's jobs alone, in a forked child."""
        self._setup()

    @property
    def crowded(self) -> bool:
        """Whether jobs wait for their turn."""
        return bool(self._waiting)

    def begin(self, job: Job) -> None:
        """Begin *job*, when it is its turn."""
        self._waiting.append(job)
        self._go_on()

    def begin_later(self, job: Job) -> None:
        """Begin *job* when none waits that was to begin at its turn."""
        self._later.append(job)
        self._go_on()

    def _ended(self) -> None:
        with self._lock:
            self._under_way -= 1
        self._go_on()

    def _go_on(self) -> None:
        while (job := self._next()) is not None:
            # In the reactor: one that ends at once would begin the next within itself.
            reactor.soon(partial(job, self._ended))

    def _next(self) -> Job | None:
        with self._lock:
            waiting = self._waiting or self._later
            if not waiting or self._under_way >= self._most:
                return None
            self._under_way += 1
            return waiting.popleft()
