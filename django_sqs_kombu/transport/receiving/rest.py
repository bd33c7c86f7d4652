"""IdleRest: how long a poller rests between two polls of a queue that stays empty."""

from __future__ import annotations

import threading

#: Each rest is so many times as long as the one before.
GROWTH = 2


class IdleRest:
    """Rests that grow while a queue stays empty, until one is woken from them.

    Without, an idle queue is polled without a break: three requests a minute, and no
    latency.  With, a message may wait for the end of a rest, unless somebody says that it
    is there.

    :param period: seconds from one poll of an idle queue to the next, at most; what is not
        above *poll* means no rests.
    :param poll: seconds that a poll of an idle queue takes.
    """

    def __init__(self, period: float, poll: float) -> None:
        self._poll = poll
        self._longest = max(0.0, period - poll)
        self._next = 0.0
        self._woken = threading.Event()

    def polling(self) -> None:
        """A poll starts: it finds what earlier calls of :meth:`wake` were about."""
        self._woken.clear()

    def polled(self, received: int, wait_time: float) -> None:
        """A poll that waited for *wait_time* seconds was answered."""
        if received:
            self._next = 0.0
        elif wait_time >= self._poll:
            self._next = min(self._longest, self._next * GROWTH or self._poll)

    def rest(self) -> None:
        """Rest, as long as it is time for that; return at once when woken."""
        if self._next and self._woken.wait(self._next):
            self._next = 0.0

    def wake(self) -> None:
        """End the rest, and skip the next one; from any thread."""
        self._woken.set()
