"""Shortest: the shortest visibility timeout of the queues that one consumer takes from."""

from __future__ import annotations

from math import inf
from weakref import WeakKeyDictionary


class Shortest:
    """Bounds what waits for a consumer, whose messages are started in the order they came in.

    Each of its queues may ask for more only while little waits, by its visibility timeout.  Were
    the others bound by longer ones of their own, one with a short timeout would never be polled.
    """

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._seconds, self._count = inf, 0

    @property
    def seconds(self) -> float:
        """The shortest, or infinity."""
        if len(self._of) != self._count:
            # A consumer of a queue is gone.
            self._count, self._seconds = len(self._of), min(self._of.values(), default=inf)
        return self._seconds

    def note(self, whose: object, seconds: float) -> None:
        """Take down the timeout of a queue, which counts as long as *whose* is there."""
        before = self._of.get(whose)
        self._of[whose] = seconds
        if before is None:
            self._count += 1
        if seconds < self._seconds:
            self._seconds = seconds
        elif before == self._seconds:
            self._seconds = min(self._of.values())
