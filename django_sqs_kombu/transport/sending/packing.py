"""Packing: which of many messages go into the next request."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ...exceptions import RequestFailed, SQSError
from ...quotas import MAX_MESSAGE_BYTES, MAX_MESSAGES, size_of
from .dispatch import group_of, overtaking

#: How many messages of a FIFO queue are read before those of other groups that are under way
#: have been answered, and how many bytes they may have.
FIFO_WINDOW, FIFO_BYTES = 320, 32 * MAX_MESSAGE_BYTES


class Item(NamedTuple):
    """An item of a bulk send: its number, itself, and what SendMessage needs for it."""

    number: int
    item: Any
    params: dict[str, Any]


Unsent = tuple[Item, SQSError]


class Packing(Protocol):
    """Which of many messages go into the next request."""

    def next(self) -> list[Item]:
        """Those of the next request; none where there are none, or none may be sent yet."""

    def landed(self, batch: Sequence[Item], errors: Sequence[RequestFailed | None]) -> list[Unsent]:
        """Take note of what became of *batch*; return what is not sent for its sake."""

    def unmade(self, error: SQSError) -> None:
        """Take note of an item that could not be made into a message."""

    def left(self) -> list[Item]:
        """What was read and was in no request yet."""


class InOrder:
    """Messages of a standard queue, one after another.

    :param items: is read as far as the next request needs.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        #: The first that found no room in the last request, with its size.
        self._kept: tuple[Item, int] | None = None

    def next(self) -> list[Item]:
        """The next ten, or those that have room in one request."""
        batch: list[Item] = []
        total = 0
        if self._kept is not None:
            item, total = self._kept
            batch, self._kept = [item], None
        for item in self._items:
            size = size_of(item.params)
            if batch and total + size > MAX_MESSAGE_BYTES:
                self._kept = item, size
                break
            batch.append(item)
            total += size
            if len(batch) == MAX_MESSAGES:
                break
        return batch

    def landed(self, batch: Sequence[Item], errors: Sequence[RequestFailed | None]) -> list[Unsent]:
        """Nothing: in a standard queue no message waits for another."""
        return []

    def unmade(self, error: SQSError) -> None:
        """Nothing, for the same reason."""

    def left(self) -> list[Item]:
        """The one that found no room."""
        return [] if self._kept is None else [self._kept[0]]


class ByGroup:
    """Messages of a FIFO queue: of each group one is under way at a time.

    SQS takes or refuses each message of a request by itself, and requests may overtake one
    another; so a message is sent when the one before it in its group was accepted.  When that
    was not, all that follow it in its group fail with it.

    :param items: is read as far as the next requests need.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        #: What waits in each group that has something waiting or under way, with sizes.
        self._waiting: dict[str, deque[tuple[Item, int]]] = {}
        self._count = self._bytes = 0
        #: Groups that have something waiting and nothing under way.
        self._ready: deque[str] = deque()
        self._failed: dict[str, SQSError] = {}
        #: What is not sent for the sake of one that failed, and was not told yet.
        self._held_back: list[Unsent] = []

    def next(self) -> list[Item]:
        """One of each of ten groups, or of as many as there are, or have room in one request."""
        batch: list[Item] = []
        total = 0
        while len(batch) < MAX_MESSAGES and (self._ready or self._read()):
            waiting = self._waiting[self._ready[0]]
            item, size = waiting[0]
            if batch and total + size > MAX_MESSAGE_BYTES:
                break
            waiting.popleft()
            self._ready.popleft()
            batch.append(item)
            total += size
            self._count -= 1
            self._bytes -= size
        return batch

    def landed(self, batch: Sequence[Item], errors: Sequence[RequestFailed | None]) -> list[Unsent]:
        """The groups of *batch* go on, or fail."""
        for item, error in zip(batch, errors, strict=True):
            group = group_of(item.params)
            waiting = self._waiting.pop(group)
            if error is not None:
                self._fail(group, error, waiting)
            elif waiting:
                self._waiting[group] = waiting
                self._ready.append(group)
        told, self._held_back = self._held_back, []
        return told

    def unmade(self, error: SQSError) -> None:
        """What is read of its group from now on fails; what was read before still goes."""
        if error.message_group is not None:
            self._failed.setdefault(error.message_group, error)

    def left(self) -> list[Item]:
        """What waits for others of its group, or for its turn."""
        return [item for waiting in self._waiting.values() for item, _ in waiting]

    def _fail(self, group: str, error: RequestFailed, waiting: deque[tuple[Item, int]]) -> None:
        failure = self._failed.setdefault(group, error)
        self._count -= len(waiting)
        self._bytes -= sum(size for _, size in waiting)
        self._held_back += [(item, overtaking(failure, group)) for item, _ in waiting]

    def _read(self) -> bool:
        """Read on until there is a group that something may be sent of."""
        while self._count < FIFO_WINDOW and self._bytes < FIFO_BYTES:
            item = next(self._items, None)
            if item is None:
                return False
            group = group_of(item.params)
            if (failure := self._failed.get(group)) is not None:
                self._held_back.append((item, overtaking(failure, group)))
                continue
            size = size_of(item.params)
            self._count += 1
            self._bytes += size
            waiting = self._waiting.get(group)
            if waiting is None:
                self._waiting[group] = deque([(item, size)])
                self._ready.append(group)
                return True
            waiting.append((item, size))
        return False
