"""Rest: how long a poller pauses between two polls of a queue that brings nothing."""

from __future__ import annotations

#: Each pause is so many times as long as the one before.
GROWTH = 2
#: Seconds of the first pause after an empty answer that did not wait for messages.
FIRST_PAUSE = 0.1
#: What an empty answer may come too early by, in seconds, and still has waited.
EARLY = 0.5


class Rest:
    """Pauses that grow while polls bring nothing, until one is woken from them.

    A queue that stays empty is polled without a break: a poll that waits is a pause by itself.
    One that comes back at once, whatever the reason, is followed by a pause.  And with a
    *period* an idle queue is left alone for a while, unless somebody says that a message is
    there.

    :param period: seconds from one poll of an idle queue to the next, at most; what is not
        above *poll* means no rests.
    :param poll: seconds that a poll of an idle queue takes.
    :param longest: the most seconds of a pause after an answer that came too soon.
    :param interval: seconds to pause after every empty answer: kombu's ``polling_interval``.
    """

    def __init__(
        self, period: float, poll: float, *, longest: float = 1.0, interval: float = 0.0
    ) -> None:
        self._poll = poll
        self._longest_rest = max(0.0, period - poll)
        self._longest_pause = max(longest, interval)
        self._interval = interval
        self._rest = 0.0
        self._pause = 0.0
        self._woken = False

    def polling(self) -> None:
        """A poll starts: it finds what earlier calls of :meth:`wake` were about."""
        self._woken = False

    def polled(self, received: int, wait_time: float, seconds: float) -> None:
        """A poll that was to wait for *wait_time* seconds was answered after *seconds*."""
        if received:
            self._rest = self._pause = 0.0
        elif wait_time < 1 or seconds < wait_time - EARLY:
            grown = min(self._longest_pause, self._pause * GROWTH or FIRST_PAUSE)
            self._pause = max(self._interval, grown)
        else:
            self._pause = self._interval
            if wait_time >= self._poll:
                self._rest = min(self._longest_rest, self._rest * GROWTH or self._poll)

    def seconds(self) -> float:
        """How long to rest now; 0: it was woken, or it is no time for that."""
        seconds = max(self._rest, self._pause)
        if seconds and self._woken:
            self._rest = 0.0
            return 0.0
        return seconds

    def wake(self) -> None:
        """End the rest, and skip the next one; from any thread."""
        self._woken = True
