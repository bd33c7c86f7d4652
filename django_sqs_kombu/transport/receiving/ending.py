"""Ending: how a poller comes to its end."""

from __future__ import annotations

import threading


class Ending:
    """What a poller was told of its end.

    :ivar told: whether it polls no more.
    :ivar breaks_off: whether polls under way are broken off.
    :ivar hands_out: whether what it has and what polls under way bring is still for the consumer.
    :ivar over: set at its end.
    """

    __slots__ = ("breaks_off", "hands_out", "over", "told")

    def __init__(self) -> None:
        self.told = self.breaks_off = self.hands_out = False
        self.over = threading.Event()

    def tell(self, *, break_off: bool, hands_out: bool) -> bool:
        """It is to end; what was handed out no more is not handed out again.

        Returned: whether that is news.
        """
        before = self.told, self.breaks_off, self.hands_out
        self.hands_out = hands_out and not break_off and (self.hands_out or not self.told)
        self.told = True
        self.breaks_off |= break_off
        return before != (self.told, self.breaks_off, self.hands_out)

    @property
    def gives_back(self) -> bool:
        """Whether the consumer gets nothing more."""
        return self.told and not self.hands_out

    @property
    def under_way(self) -> bool:
        """Whether the consumer gets its last messages now."""
        return self.hands_out and not self.over.is_set()
