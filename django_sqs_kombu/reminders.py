"""Reminders: how often something is told that may happen again and again, for hours."""

from __future__ import annotations

import math
from collections.abc import Hashable

#: Seconds from one record to the next about what lasts.
REMINDER = 60.0


class Reminders:
    """Decides which of many records are told, so that a failure which lasts fills no log.

    The first is told at once, and begins a minute in which few others are.
    """

    def __init__(self) -> None:
        #: By what they are about: when its minute ends, and how many were told within it.
        self._minutes: dict[Hashable, tuple[float, int]] = {}

    def is_due(self, about: Hashable, now: float, *, most: int = 1, news: bool = True) -> bool:
        """Whether a record is told now; then it counts as told.

        :param about: what it has in common with others: their queue, say.
        :param now: on the monotonic clock.
        :param most: how many are told within a minute.
        :param news: whether it tells more than that something goes on: else it waits for the next
            minute.
        """
        ends_at, told = self._minutes.get(about, (-math.inf, 0))
        if now >= ends_at:
            ends_at, told = now + REMINDER, 0
        elif told >= most or not news:
            return False
        self._minutes[about] = ends_at, told + 1
        return True
