"""Ticking: wakes at the times of schedules, whatever the clock and the network do."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from ..logs import get_logger
from ..new_threads import without_fail
from .schedule import UTC, Schedule

logger = get_logger(__name__)

#: Seconds between two looks at the clock at most, since it may be put, and at least.
LONGEST, SHORTEST = 30.0, 0.02
#: Seconds before the next try after a failure: at first, and at most.
FIRST_PAUSE, LAST_PAUSE = 0.5, 15.0


class Ticking(ABC):
    """What sends the slots of schedules when their times come."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    @abstractmethod
    def schedules(self) -> Iterable[Schedule]:
        """The schedules whose times it waits for; not empty."""

    @abstractmethod
    def tick(self, now: datetime) -> bool:
        """Send what is due; return whether nothing failed."""

    def run(self) -> None:
        """Tick until :meth:`end` is called."""
        pause, failures = 0.0, 0
        while not without_fail(partial(self._stopping.wait, pause)):
            now = self.clock()
            failures = 0 if self.ticked(now) else failures + 1
            pause = self.pause(now, failures)

    def end(self) -> None:
        """Tick no more; from any thread."""
        self._stopping.set()

    def clock(self) -> datetime:
        """The present time."""
        return datetime.now(UTC)

    def ticked(self, now: datetime) -> bool:
        """Tick, whatever it raises; return whether nothing failed."""
        try:
            return self.tick(now)
        except Exception:
            logger.exception("Schedules cannot be run, trying again")
            return False

    def pause(self, now: datetime, failures: int) -> float:
        """Seconds until the next tick, of which the last began at *now*."""
        shortest, longest = SHORTEST, LONGEST
        if failures:
            shortest = FIRST_PAUSE
            longest = min(LAST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
        try:
            # What came while the tick ran was not looked at; and whoever failed, others are due.
            due = min(schedule.next(now) for schedule in self.schedules())
        except Exception:
            logger.exception("The time of the next slot cannot be computed, trying again")
            return min(longest, LAST_PAUSE)
        return min(longest, max(shortest, (due - self.clock()).total_seconds()))
