"""Doubted: kept connections over which perhaps nothing comes back any more."""

from __future__ import annotations

import math
import time
from typing import Any

import pycurl

#: Seconds for which libcurl keeps a connection that nobody uses.
KEPT = 118
#: libcurl's limit of that, where pycurl and its libcurl have it.
_LIMIT: int | None = getattr(pycurl, "MAXAGE_CONN", None)


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

    def keep_from(self, curl: Any) -> None:
        """Have the next request of *curl* use none of them."""
        if self._noted == -math.inf:
            return
        since = time.monotonic() - self._noted
        if _LIMIT is not None:
            curl.setopt(_LIMIT, min(KEPT, max(1, math.ceil(since))))
        else:
            # Nor any other, until they are old.
            curl.setopt(pycurl.FRESH_CONNECT, int(since < KEPT))
