"""Prefetch: how many more messages a channel's prefetch count admits."""

from __future__ import annotations

from collections.abc import Callable

from ...quotas import MAX_MESSAGES
from ..holding.table import HeldMessages


class Prefetch:
    """A channel's prefetch count, and what it leaves room for.

    It holds for each consumed queue by itself, as RabbitMQ's does for each consumer, so that a
    queue which fills its places never takes another's.  On an event loop, where the queues share
    their places, it holds for the channel, as Celery means it.

    :param table: what is held.
    """

    def __init__(self, table: HeldMessages) -> None:
        self._table = table
        self._count = 0
        #: By queue: how many of its messages may be with its consumer at once.
        self._most: dict[str, Callable[[], int | None]] = {}
        table.places = self.room

    @property
    def count(self) -> int:
        """The prefetch count; 0: no limit."""
        return self._count

    @count.setter
    def count(self, count: int) -> None:
        self._count = count
        self._table.settling_makes_room = bool(count or self._most)
        self._table.look_again()

    def bound(self, queue: str, most: Callable[[], int | None]) -> None:
        """Have as many messages of *queue* with its consumer at once as *most* returns."""
        self._most[queue] = most
        self._table.settling_makes_room = True

    def room(self, queue: str, soon: int = 0) -> int | None:
        """How many more messages of *queue* may be with a consumer; None: any number.

        :param soon: how many places there will be by the time that they come.  On an event loop
            they count: it is given no more than it has places for, so what comes too early waits.
        """
        if not self._count and not self._most:
            return None
        room = self._room(queue, soon)
        bound = self._most.get(queue)
        if bound is None or (most := bound()) is None:
            return room
        own = most - self._table.delivered(queue)
        return own if room is None else min(room, own)

    def _room(self, queue: str, soon: int) -> int | None:
        if not self._count:
            return None
        if self._table.shares_places:
            return self.free() + soon - self._table.all_waiting + self._table.waiting(queue)
        return self._count - self._table.delivered(queue)

    def free(self) -> int:
        """How many more messages may be with the consumers of the channel."""
        if not self._count:
            return MAX_MESSAGES
        return self._count - self._table.all_delivered
