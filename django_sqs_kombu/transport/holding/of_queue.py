"""OfQueue: what a channel holds of one queue, counted."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ...quotas import MAX_MESSAGES
from .held import Held, State
from .lanes import Lanes
from .told import Asking

#: Messages of a queue that may wait or be settled: so many at first, and at the most when SQS
#: confirms them.  While as many of all queues are settled, it is what one poll brings.
LEAST_OPEN, MOST_OPEN = 4 * MAX_MESSAGES, 128 * MAX_MESSAGES

_WAITING, _DELIVERED, _, _GONE = State


class Totals:
    """How many messages have come so far in their lives, ever: each step is one addition.

    :ivar received: were received, and so wait or have waited.
    :ivar taken: wait no more.
    :ivar settled: are with no consumer any more: what becomes of them is decided.
    :ivar ended: are gone.
    """

    __slots__ = ("ended", "received", "settled", "taken")

    def __init__(self) -> None:
        self.received = self.taken = self.settled = self.ended = 0

    @property
    def waiting(self) -> int:
        """How many no consumer has taken yet."""
        return self.received - self.taken

    @property
    def delivered(self) -> int:
        """How many are with consumers."""
        return self.taken - self.settled

    def pass_on(self, before: State, state: State) -> None:
        """One goes from a state to a later one, or to be gone."""
        if before is _WAITING:
            self.taken += 1
        if before <= _DELIVERED < state:
            self.settled += 1
        if state is _GONE:
            self.ended += 1


class Watcher(Protocol):
    """What receives from a queue, and so wants to know what becomes of its messages.

    It is called under the table's lock.
    """

    def room(self, places: int) -> None:
        """There may be room for so many more messages."""

    def ended(self, messages: int) -> None:
        """So many messages were settled, or have ended."""

    def ready(self) -> None:
        """One may be taken that was behind another of its group, or had no place."""


class OfQueue(Totals):
    """What a channel holds of one queue.

    :ivar watcher: what receives from it, if anything does.
    :ivar line: those that may be taken, the oldest first.
    :ivar held_up: how many of those were announced while there was no place for them.
    :ivar lanes: of a FIFO queue.
    :ivar most_open: how many may wait or be settled, for more to be asked for.
    :ivar asking: what is asked of them.
    """

    __slots__ = ("asking", "held_up", "lanes", "line", "most_open", "watcher")

    def __init__(self) -> None:
        super().__init__()
        self.watcher: Watcher | None = None
        self.most_open, self.held_up = LEAST_OPEN, 0
        self.line: deque[Held] = deque()
        self.lanes: Lanes[Held] = Lanes()
        self.asking = Asking()
