"""Waits: how long one request may wait for its answer, where that is not the client's limit.

A long poll is answered after up to 20 seconds, everything else at once.  botocore knows one
read timeout a client, so a client's connection pools take another from the thread that asks.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import Empty, Full
from typing import Any

from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Timeout

from .handshakes import HTTPSConnection

_waits = threading.local()


class _End:
    """When nobody waits any more, on the monotonic clock.

    What a block leaves running has its context, so that this is made endless when the block ends.
    """

    def __init__(self, at: float = math.inf) -> None:
        self.at = at


_ENDLESS = _End()
_end: ContextVar[_End] = ContextVar("end", default=_ENDLESS)

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
    if _end.get() is _ENDLESS:
        # As in the thread that polls and deletes.
        return seconds or usual
    return min(seconds or usual, left())


def left() -> float:
    """Seconds after which nobody waits for a request of this context; always a few."""
    return max(LEAST, _end.get().at - time.monotonic())


def time_is_short() -> bool:
    """Whether botocore's tries of a request of this thread might take longer than is left."""
    return left() < TRIES


def is_worth_another(pause: float = 0.0) -> bool:
    """Whether time is left for another try of a request of this thread, *pause* seconds later."""
    return left() - pause >= WORTH


@contextmanager
def answered_by(until: float) -> Iterator[None]:
    """Let no request in the block wait beyond *until*, on the monotonic clock.

    Nor in threads and tasks of an event loop that have its context.
    """
    end = _End(until)
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)
        end.at = math.inf


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """Let the requests of this thread wait for *seconds*, in the block."""
    _waits.seconds = seconds
    try:
        yield
    finally:
        _waits.seconds = None


class WaitingPool:
    """A connection pool whose timeouts :func:`answered_within` and :func:`answered_by` set."""

    timeout: Timeout
    pool: Any

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; urllib3's method, with the timeout of this thread."""
        connect, read = self.timeout.connect_timeout, self.timeout.read_timeout
        if isinstance(connect, int | float) and isinstance(read, int | float):
            kwargs["timeout"] = Timeout(connect=min(connect, left()), read=patience(read))
        try:
            return super().urlopen(*args, **kwargs)  # type: ignore[misc]
        except ReadTimeoutError:
            self._close_kept()
            raise

    def _close_kept(self) -> None:
        """Close what no request uses: over it, too, nothing may come back any more."""
        kept = []
        with suppress(Empty):
            while True:
                kept.append(self.pool.get(block=False))
        for connection in kept:
            if connection is not None:
                connection.close()
            # The place of one, which the pool makes when it is needed.
            with suppress(Full):
                self.pool.put(None, block=False)


class _HTTPPool(WaitingPool, AWSHTTPConnectionPool):  # type: ignore[misc]
    pass


class _HTTPSPool(WaitingPool, AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = HTTPSConnection


def bound_waits(client: Any) -> None:
    """Let the requests of a new boto3 client, of any service, wait as those to SQS."""
    use_pools(client, {"http": _HTTPPool, "https": _HTTPSPool})
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"needs-retry.{service}", _give_up_at_the_end)


def use_pools(client: Any, pools: dict[str, type[WaitingPool]]) -> None:
    """Have a new boto3 client connect by *pools*, by scheme."""
    session = client._endpoint.http_session
    session._pool_classes_by_scheme = pools
    session._manager.pool_classes_by_scheme = pools


def _give_up_at_the_end(**kwargs: Any) -> bool | None:
    """Say to botocore that a request is not to be tried again, where no time is left for that."""
    return None if is_worth_another() else False
