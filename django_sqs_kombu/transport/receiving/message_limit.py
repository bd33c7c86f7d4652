"""A limit on how many messages of a queue are received, exact with several receivers."""

from __future__ import annotations

import threading
from typing import Protocol


class ReceiveLimit(Protocol):
    """Where the receivers of one queue agree on how many messages are left to receive."""

    def reserve(self, count: int) -> int:
        """Reserve up to *count* messages; return how many may be asked for."""

    def settle(self, reserved: int, received: int) -> None:
        """Of *reserved* messages *received* came; the others are free again."""

    def give_back(self, count: int) -> None:
        """*count* received messages were given back unstarted and do not count."""

    @property
    def reached(self) -> bool:
        """Whether all messages have been received."""


class LocalLimit:
    """A limit within one process.

    :param count: messages to receive in all, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._count = count
        self._reserved = 0
        self._received = 0

    def reserve(self, count: int) -> int:
        """Reserve up to *count* messages; return how many may be asked for."""
        with self._lock:
            granted = max(0, min(count, self._count - self._received - self._reserved))
            self._reserved += granted
            return granted

    def settle(self, reserved: int, received: int) -> None:
        """Of *reserved* messages *received* came; the others are free again."""
        with self._lock:
            self._reserved -= reserved
            self._received += received

    def give_back(self, count: int) -> None:
        """*count* received messages were given back unstarted and do not count."""
        with self._lock:
            self._received -= count

    @property
    def reached(self) -> bool:
        """Whether all messages have been received."""
        with self._lock:
            return self._received >= self._count
