"""Rhythm: when the next poll of a queue may begin, and how long it waits for messages."""

from __future__ import annotations

import time

from .outage import FIRST_PAUSE, Outage
from .polls import Poll
from .rest import Rest
from .wait import Wait


class Rhythm:
    """The waits, rests and outages of one queue's polls; it has no thread.

    :param queue: its name.
    :param wait: how long polls wait.
    :param max_idle: seconds from one poll of an idle queue to the next, at most.
    :param interval: seconds to pause after every empty answer.
    """

    def __init__(self, queue: str, wait: Wait, *, max_idle: float, interval: float) -> None:
        self.wait = wait
        self._rest = Rest(
            max_idle,
            max(1, wait.longest),
            longest=max(1.0, float(wait.usual)),
            interval=interval,
        )
        self._outage = Outage(queue)
        #: Before which time nothing is asked for, on the monotonic clock.
        self._pauses_until = 0.0
        self._resting = False

    def wake(self) -> None:
        """End the rest of an idle queue, and skip the next one; from any thread."""
        self._rest.wake()

    def polling(self) -> None:
        """A poll begins beside which there is no other."""
        self._rest.polling()

    def pauses_until(self, now: float, *, alone: bool) -> float | None:
        """Before when no poll begins; None: one may begin now.

        :param alone: whether no other is under way.
        """
        if self._pauses_until <= now:
            return None
        is_woken = alone and self._resting and self._rest.seconds() == 0
        return None if is_woken else self._pauses_until

    def answered(self, poll: Poll, received: int, took: float) -> None:
        """A poll was answered with so many messages, after so many seconds."""
        self._outage.over()
        self.wait.answered(received, poll.wait)
        if poll.alone:
            self._rest.polled(received, poll.wait, took)
            self._pauses_until = time.monotonic() + self._rest.seconds()
            self._resting = True

    def failed(self, error: Exception) -> bool:
        """A poll failed; return whether that was not the first in turn."""
        pause = self._outage.failed(error)
        self._pauses_until, self._resting = time.monotonic() + pause, False
        return pause > FIRST_PAUSE
