"""Waits: how long one request may wait for its answer, where that is not the client's limit.

A long poll is answered after up to 20 seconds, everything else at once.  botocore knows one
read timeout a client, so a client's connection pools take another from the thread that asks.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.util import Timeout

_waits = threading.local()


#: Seconds that a request has at least.
LEAST = 0.05
#: Seconds that botocore may take when it tries a request several times.
TRIES = 15.0
#: Seconds that must be left after a pause, for another try to be worth it.
WORTH = 0.5


def patience(usual: float) -> float:
    """Seconds that this thread's requests may wait.

    :param usual: where nobody says more.
    """
    seconds: float | None = getattr(_waits, "seconds", None)
    return min(seconds or usual, left())


def left() -> float:
    """Seconds after which nobody waits for a request of this thread; always a few."""
    until: float = getattr(_waits, "until", math.inf)
    return max(LEAST, until - time.monotonic())


def time_is_short() -> bool:
    """Whether botocore's tries of a request of this thread might take longer than is left."""
    return left() < TRIES


def is_worth_another(pause: float = 0.0) -> bool:
    """Whether time is left for another try of a request of this thread, *pause* seconds later."""
    return left() - pause >= WORTH


@contextmanager
def answered_by(until: float) -> Iterator[None]:
    """Let no request of this thread wait beyond *until*, on the monotonic clock, in the block."""
    _waits.until = until
    try:
        yield
    finally:
        _waits.until = math.inf


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
        connect, read = self.timeout.connect_timeout, self.timeout.read_timeout
        if isinstance(connect, int | float) and isinstance(read, int | float):
            kwargs["timeout"] = Timeout(connect=min(connect, left()), read=patience(read))
        return super().urlopen(*args, **kwargs)  # type: ignore[misc]
