"""Readiness: whether the processes of a runreceiver do their work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from ..conf import conf
from .stats import SharedStats

#: A queue that no poll was answered for so long, in seconds, is stalled. The longest poll
#: takes 20 s, the longest pause after a failed one 4 s. The rests of idle queues come on top.
STALLED = 60.0


class Readiness:
    """Says why a runreceiver is not ready, if it is not.

    It is when every queue is polled or paused, or nobody is free to take its messages.

    :param stats: what the processes count.
    :param served: the names of the queues that each process serves.
    """

    def __init__(self, stats: SharedStats, served: Sequence[Sequence[str]]) -> None:
        self._stats = stats
        self._served = served
        self.stopping = False
        #: What is waited for before the processes start; None: nothing.
        self.waiting_for: str | None = None
        #: Whether messages are received one by one, since one may have killed its process.
        self.one_by_one: Callable[[], bool] = lambda: False

    def wait_for(self, reason: str | None) -> None:
        """Note what is waited for; None: nothing more."""
        self.waiting_for = reason

    def reasons(self) -> Iterator[str]:
        """Why it is not ready; nothing where it is."""
        if self.stopping:
            yield "stopping"
        if self.waiting_for is not None:
            yield f"waiting: {self.waiting_for}"
            return
        now = time.monotonic()
        for place, queues in enumerate(self._served):
            for queue in queues:
                polled_at = self._stats.polled_at(place, queue)
                if any(self._is_busy(process, queue) for process in self._stats.of_place(place)):
                    continue
                if not polled_at:
                    yield f"process {place} has not polled queue {queue} yet"
                elif now - polled_at > STALLED + conf.poll_max_idle:
                    yield f"process {place} last polled queue {queue} {now - polled_at:.0f} s ago"

    def _is_busy(self, process: int, queue: str) -> bool:
        """Whether nobody polls the queue, or did lately, since nobody is free or it is paused."""
        if any(self._stats.value(process, queue, field) for field in ("running", "paused")):
            return True
        if self.one_by_one() and self._stats.running(process):
            return True
        full_at = self._stats.full_at(process, queue)
        return bool(full_at) and time.monotonic() - full_at <= STALLED
