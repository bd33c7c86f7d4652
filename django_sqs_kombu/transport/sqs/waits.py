"""Waits: how long one request may wait for its answer, where that is not the client's limit.

A long poll is answered after up to 20 seconds, everything else at once.  botocore knows one
read timeout a client, so a client's connection pools take another from the thread that asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.util import Timeout

_waits = threading.local()


def patience() -> float | None:
    """Seconds that this thread's requests may wait; None: as long as usual."""
    seconds: float | None = getattr(_waits, "seconds", None)
    return seconds


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """Let the requests of this thread wait for *seconds*, in the block."""
    _waits.seconds = seconds
    try:
        yield
    finally:
        _waits.seconds = None


class WaitingPool:
    """A connection pool whose read timeout :func:`answered_within` sets."""

    timeout: Timeout

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; urllib3's method, with the timeout of this thread."""
        seconds = patience()
        if seconds is not None:
            kwargs["timeout"] = Timeout(connect=self.timeout.connect_timeout, read=seconds)
        return super().urlopen(*args, **kwargs)  # type: ignore[misc]
