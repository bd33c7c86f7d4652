"""Line: queues that have nothing here, and wait until their consumer has room, in turn."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakKeyDictionary


class Waits(Protocol):
    """What waits for room."""

    #: Those of a lower priority go behind.
    priority: int
    #: Whether it is its turn to ask.
    called: bool

    def wake(self) -> None:
        """Have it ask soon."""


class Line:
    """Those who wait, the first of them first; used in the thread of the reactor.

    Else the queue whose message was just started, or has just ended, would be the first to see
    the room, and the only one to be polled where each receiver takes long.
    """

    def __init__(self) -> None:
        #: One that is gone waits no more.
        self._waiting: WeakKeyDictionary[Waits, bool] = WeakKeyDictionary()

    def join(self, who: Waits) -> None:
        """Wait, unless it does already."""
        self._waiting.setdefault(who, True)

    def gives_way(self, who: Waits) -> bool:
        """Whether another one asks first; then it is the turn of *who*."""
        waiting = self._waiting
        first = who
        if waiting:
            first = next((each for each in waiting if each.priority >= who.priority), who)
            waiting.pop(who, None)
        if who.called or first is who:
            who.called = False
            return False
        del waiting[first]
        for each in (first, who):
            each.called = True
            each.wake()
        return True
