"""Shield: what a thread holds while it sends a request, so that no time limit strikes in it.

Struck in the middle a request could leave a lock of its connection pool taken for ever, and
botocore would take the exception for a fault of the network and send the request again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import CodeType, FrameType
from typing import Any, Protocol, TypeVar, cast

from botocore.exceptions import HTTPClientError

from ...exceptions import TimedOut
from ...posix import in_forked_children

F = TypeVar("F", bound=Callable[..., Any])


class Shield(AbstractContextManager[Any], Protocol):
    """A lock that its own thread may take again while it holds it."""

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; return whether it was taken."""

    def release(self) -> None:
        """Give it back, once for each time that it was taken."""


class _Local(threading.local):
    def __init__(self) -> None:
        self.shield: Shield = threading.RLock()


_local = _Local()
_codes: set[CodeType] = set()


def _renew() -> None:
    # The thread that had just taken it to strike is not there in a forked child.
    _local.shield = threading.RLock()


in_forked_children(_renew)


def shield() -> Shield:
    """Return the shield of this thread.

    Who interrupts the thread from another one holds it from the look at what the thread does
    until the strike: the thread begins no request in between.
    """
    return _local.shield


def ends_before_deadlines(function: F) -> F:
    """Have a receiver's time limit wait for the end of *function*, which sends a request."""

    def shielded(*args: Any, **kwargs: Any) -> Any:
        with _local.shield:
            return function(*args, **kwargs)

    _codes.add(shielded.__code__)
    return cast(F, functools.wraps(function)(shielded))


def is_request(frame: FrameType) -> bool:
    """Whether *frame* is that of a function which sends a request."""
    return frame.f_code in _codes


def shield_requests(client: Any) -> None:
    """Have time limits wait for the end of each of a boto3 client's tries of a request.

    That is when its answer was read and its connection is back in the pool.
    """
    session = client._endpoint.http_session
    session.send = ends_before_deadlines(session.send)
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"needs-retry.{service}", _give_up_where_struck)


def _give_up_where_struck(caught_exception: Any = None, **kwargs: Any) -> None:
    """Raise a time limit that struck just beside a try, which botocore would make again."""
    if isinstance(caught_exception, HTTPClientError):
        caught_exception = caught_exception.kwargs.get("error")
    if isinstance(caught_exception, TimedOut):
        raise caught_exception
