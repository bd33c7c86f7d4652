"""Starts: notes of receivers that run, written only of those that take longer than a moment."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from ..holding.held import Held, State
from ..holding.note import Note
from ..holding.told import LASTS

#: Seconds that a receiver runs before others are told: most are done by then, and their ends
#: say all of it.  Not shorter than an answer counts that was given ahead, so that whoever starts
#: by one can know of what has started here since.
MOMENT = LASTS
#: The most notes that are written at once.
MOST_AT_ONCE = 100
#: Seconds until what could not be written is tried again: at first, and the most.
PAUSE, LONGEST_PAUSE = 1.0, 60.0


@dataclass(slots=True, eq=False)
class Start:
    """A receiver that has started with a message.

    :param due: when its note is written, on the monotonic clock, if it runs then.
    :ivar tries: how often it could not be written.
    """

    held: Held
    note: Note
    due: float
    tries: int = 0

    @property
    def runs(self) -> bool:
        """Whether the receiver runs, and has not noted its end."""
        return self.held.state is State.DELIVERED and self.held.note is None


class Starts:
    """Those whose notes are not written yet, in the order in which they are due.

    The lock of what holds the messages guards it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Start] = deque()
        #: Could not be written; of those that run for long, so there are few.
        self._failed: list[Start] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._failed)

    def add(self, held: Held, note: Note, now: float) -> None:
        """A receiver has started."""
        self._waiting.append(Start(held, note, now + MOMENT))

    def due(self) -> float:
        """When to look again."""
        first = self._waiting[0].due if self._waiting else math.inf
        return min((each.due for each in self._failed), default=first)

    def ripe(self, now: float) -> list[Start]:
        """Those that are to be written now, which are taken out; the ended are forgotten."""
        ripe = [each for each in self._failed if each.due <= now][:MOST_AT_ONCE]
        self._failed = [each for each in self._failed if each.runs and each not in ripe]
        while self._waiting and self._waiting[0].due <= now and len(ripe) < MOST_AT_ONCE:
            ripe.append(self._waiting.popleft())
        return [each for each in ripe if each.runs]

    def put_back(self, starts: list[Start], now: float) -> None:
        """Those could not be written."""
        for each in starts:
            each.due = now + min(PAUSE * 2**each.tries, LONGEST_PAUSE)
            each.tries += 1
        self._failed += starts

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()
        self._failed.clear()
