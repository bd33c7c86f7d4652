"""Inbox: where the pollers of a connection announce messages and the consumer waits."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .leases import Lease

if TYPE_CHECKING:
    from .poller import Poller

#: How much the latest message counts in the consumer's pace.
LATEST = 0.3


class Inbox:
    """Where the pollers of a connection announce messages and the consumer waits.

    It measures the consumer's pace: how long it stays away between two messages.

    :ivar on_change: called, from any thread, when a message may be taken.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[], None] | None = None
        self._announced: queue.SimpleQueue[Poller | None] = queue.SimpleQueue()
        self._pollers: list[Poller] = []
        self._ranked = False
        self._away_since: float | None = None
        self._pace = 0.0

    def announce(self, poller: Poller) -> None:
        """Say that *poller* has one more message."""
        self._announced.put(poller)
        self.changed()

    def changed(self) -> None:
        """Say that there may be a place for a message that waits."""
        if self.on_change is not None:
            self.on_change()

    def wake(self) -> None:
        """Make :meth:`next` return now; safe in a signal handler."""
        self._announced.put(None)

    def next(self, timeout: float | None) -> tuple[Poller, Lease] | None:
        """The next message and its poller, or None when woken.

        :raises queue.Empty: none came within *timeout* seconds.
        """
        now = time.monotonic()
        if self._away_since is not None:
            self._pace += LATEST * (now - self._away_since - self._pace)
            self._away_since = None
        deadline = None if timeout is None else now + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            poller = self._announced.get(timeout=left)
            if poller is None:
                return None
            for each in self._by_urgency(poller):
                lease = each.take()
                if lease is not None:
                    self._away_since = time.monotonic()
                    return each, lease

    def add(self, poller: Poller) -> None:
        """Know *poller*, so that its priority counts."""
        self._keep([*self._pollers, poller])

    def remove(self, poller: Poller) -> None:
        """Forget *poller*."""
        self._keep([other for other in self._pollers if other is not poller])

    def _keep(self, pollers: list[Poller]) -> None:
        self._pollers = pollers
        self._ranked = len({poller.priority for poller in pollers}) > 1

    def more_urgent_waits(self, than: Poller) -> bool:
        """Whether a message of a higher priority than *than*'s waits."""
        return self._ranked and any(
            each.priority > than.priority and each.has_waiting for each in self._pollers
        )

    def _by_urgency(self, announced: Poller) -> list[Poller]:
        if not self._ranked:
            return [announced]
        # An announcement stands for one message, whosever it is.
        return sorted(self._pollers, key=lambda each: (-each.priority, each is not announced))

    def soon(self, seconds: float) -> int:
        """How many messages the consumer is likely to take within *seconds*."""
        away_since = self._away_since
        if away_since is None:
            # It waits for one now.
            return max(1, int(seconds / self._pace)) if self._pace else 1_000
        pace = max(self._pace, time.monotonic() - away_since, 1e-6)
        return int(seconds / pace)
