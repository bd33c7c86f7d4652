"""Lanes: each message group of a FIFO queue is one, whose messages run in order, one at a time."""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import Generic, Protocol, TypeVar


class Grouped(Protocol):
    """A message of a message group."""

    group: str


M = TypeVar("M", bound=Grouped)


class Lanes(Generic[M]):
    """The lanes of one queue, as far as messages of them are held; the table's lock guards them.

    The first message of a lane may be taken, or is with a consumer, or is being settled.  Only
    when SQS has deleted it the next one may be taken, unless it goes with it into one batch.
    """

    def __init__(self) -> None:
        #: By group, the first message of each lane before those behind it.
        self._lanes: dict[str, deque[M]] = {}
        #: Those that went with the one before them.
        self._beside: set[M] = set()
        #: Those behind another one that are not to be taken, and hold up what is behind them.
        self._left: set[M] = set()
        #: How many other messages are behind another one.
        self.behind = 0

    def join(self, held: M) -> bool:
        """A message comes; return whether it is the first of its lane."""
        lane = self._lanes.get(held.group)
        if lane is None:
            self._lanes[held.group] = deque([held])
            return True
        lane.append(held)
        self.behind += 1
        return False

    def join_again(self, held: M) -> None:
        """A message that was left to others came again; it is not to be taken."""
        lane = self._lanes.setdefault(held.group, deque())
        if held not in lane:
            if lane:
                self._left.add(held)
            lane.append(held)

    def take_behind(self, held: M, most: int) -> list[M]:
        """Have so many of those behind a message, at most, go with it; return them in order."""
        lane = self._lanes.get(held.group)
        if lane is None or lane[0] is not held or most <= 0:
            return []
        before = takewhile(lambda each: each not in self._left, lane)
        taken = [each for each in before if each is not held and each not in self._beside][:most]
        self._beside.update(taken)
        self.behind -= len(taken)
        return taken

    def leave(self, held: M) -> M | None:
        """A message was deleted; return the next of its lane, if it was the first."""
        lane = self._lanes.get(held.group)
        if lane is None or held not in lane:
            return None
        if lane[0] is not held:
            lane.remove(held)
            self._comes_forward(held)
            return None
        lane.popleft()
        if not lane:
            del self._lanes[held.group]
            return None
        self._comes_forward(lane[0])
        return lane[0]

    def break_off(self, held: M) -> list[M]:
        """A message is left to others; return those behind it, which must not run before it."""
        lane = self._lanes.get(held.group)
        if lane is None or held not in lane:
            return []
        broken: list[M] = []
        while lane[-1] is not held:
            broken.append(lane.pop())
            self._comes_forward(broken[-1])
        lane.pop()
        if lane:
            self._comes_forward(held)
        else:
            del self._lanes[held.group]
        return broken[::-1]

    def _comes_forward(self, held: M) -> None:
        """A message is behind no other any more."""
        if held in self._beside or held in self._left:
            self._beside.discard(held)
            self._left.discard(held)
        else:
            self.behind -= 1
