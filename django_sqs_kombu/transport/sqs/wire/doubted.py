"""Doubted: kept connections over which perhaps nothing comes back any more."""

from __future__ import annotations

import math
import time

#: Seconds for which libcurl keeps a connection that nobody uses.
KEPT = 118


class Doubted:
    """Which kept connections to a server are no longer used; safe to use from any thread.

    If a request is not answered in time, the connections that have been idle since before are not
    used again: whatever has forgotten one, as a NAT that was replaced does, has mostly forgotten
    all.  Else each of as many requests would wait for its whole time in vain.
    """

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted = -math.inf

    def note(self) -> None:
        """A request was not answered in time."""
        self._noted = time.monotonic()

    def __bool__(self) -> bool:
        """Whether any connection was ever in doubt."""
        return self._noted > -math.inf

    def seconds(self) -> int:
        """How long a connection that is used again may have been idle."""
        return min(KEPT, max(1, math.ceil(time.monotonic() - self._noted)))
