"""Lanes: each message group of a FIFO queue is one, whose messages run in order, one at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .held import Held


class Lanes:
    """The lanes of one queue, as far as messages of them are held; the table's lock guards them.

    The first message of a lane may be taken, or is with a consumer, or is being settled.  Only
    when SQS has deleted it the next one may be taken.
    """

    def __init__(self) -> None:
        #: By group, the first message of each lane before those behind it.
        self._lanes: dict[str, deque[Held]] = {}
        #: How many messages are behind another one.
        self.behind = 0

    def join(self, held: Held) -> bool:
        """A message comes; return whether it is the first of its lane."""
        lane = self._lanes.get(held.group)
        if lane is None:
            self._lanes[held.group] = deque([held])
            return True
        lane.append(held)
        self.behind += 1
        return False

    def leave(self, held: Held) -> Held | None:
        """A message was deleted; return the next of its lane, if it was the first."""
        lane = self._lanes.get(held.group)
        if lane is None or held not in lane:
            return None
        if lane[0] is not held:
            lane.remove(held)
            self.behind -= 1
            return None
        lane.popleft()
        if not lane:
            del self._lanes[held.group]
            return None
        self.behind -= 1
        return lane[0]

    def break_off(self, held: Held) -> list[Held]:
        """A message is left to others; return those behind it, which must not run before it."""
        lane = self._lanes.get(held.group)
        if lane is None or held not in lane:
            return []
        broken = []
        while lane[-1] is not held:
            broken.append(lane.pop())
            self.behind -= 1
        lane.pop()
        if lane:
            self.behind -= 1
        else:
            del self._lanes[held.group]
        return broken[::-1]
