"""Shortest: the shortest visibility timeout of the queues that one consumer takes from."""

from __future__ import annotations

from collections import Counter
from math import inf
from weakref import WeakKeyDictionary


class Shortest:
    """Bounds what waits for a consumer, whose messages are started in the order they came in.

    Each of its queues may ask for more only while little waits, by its visibility timeout.  Were
    the others bound by longer ones of their own, one with a short timeout would never be polled.
    """

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        #: How many have each of the timeouts, of which there are few; and how many these are.
        self._counts: Counter[float] = Counter()
        self._count = 0

    @property
    def seconds(self) -> float:
        """The shortest, or infinity."""
        if len(self._of) != self._count:
            # A consumer of a queue is gone.
            self._counts = Counter(self._of.values())
            self._count = self._counts.total()
        return min(self._counts, default=inf)

    def note(self, whose: object, seconds: float) -> None:
        """Take down the timeout of a queue, which counts as long as *whose* is there."""
        before = self._of.get(whose)
        self._of[whose] = seconds
        self._counts[seconds] += 1
        if before is None:
            self._count += 1
        elif self._counts[before] > 1:
            self._counts[before] -= 1
        else:
            del self._counts[before]
