"""UnderWay: the messages that a consumer works on, and waiting for their ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from ..transport.delivery import Delivery


class UnderWay:
    """The deliveries that were started and have not ended; safe to use from any thread.

    :ivar started: when each was started, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.started: dict[Delivery, float] = {}
        self._changed = threading.Condition()
        #: How many threads wait for receivers to end.
        self._waiting = 0
        self._on_none: Callable[[], None] | None = None

    def watch(self, on_none: Callable[[], None]) -> None:
        """Have *on_none* called whenever none runs any more, from any thread."""
        self._on_none = on_none
        # Like one who waits, and for ever.
        self._waiting += 1

    def __len__(self) -> int:
        return len(self.started)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(list(self.started))

    def add(self, delivery: Delivery) -> None:
        """It was started."""
        self.started[delivery] = time.monotonic()

    def discard(self, delivery: Delivery) -> None:
        """It has ended."""
        self.started.pop(delivery, None)
        # Whoever waits has said so before he looked.
        if self._waiting:
            self.look()

    def longest(self) -> float:
        """For how many seconds the oldest has run; 0: none runs."""
        started = list(self.started.values())
        return time.monotonic() - min(started) if started else 0.0

    def look(self) -> None:
        """Have those that wait look again."""
        with self._changed:
            self._changed.notify_all()
        if self._on_none is not None and not self.started:
            self._on_none()

    def wait_until(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Wait for receivers to end; return whether *done* says that it is so."""
        with self._changed:
            self._waiting += 1
            try:
                return self._changed.wait_for(done, timeout)
            finally:
                self._waiting -= 1

    def wait_for_fewer(self, count: int, timeout: float) -> bool:
        """Wait until fewer than *count* run; return whether it is so.  None never are."""
        return count > 0 and self.wait_until(lambda: len(self) < count, timeout)
