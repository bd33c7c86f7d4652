"""Breaks off a request in which another thread waits, by closing its socket.

boto3 offers no way to cancel a request, and a long poll lasts up to 20 seconds.  So a
client's connection pools are given connection classes that note the thread of each
request, and :func:`abort_request` shuts that thread's socket down: its request ends
with :class:`RequestAborted`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnectionPool,
)

from ...posix import in_forked_children
from .handshakes import HTTPSConnection
from .waits import WaitingPool, use_pools

_aborted: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_connections: weakref.WeakSet[Any] = weakref.WeakSet()
#: What breaks off the request of a thread, where it is not its socket that is closed.
_breaks_off: dict[int, Callable[[], None]] = {}
_lock = threading.Lock()


def _forget() -> None:
    # Of the threads that hold the lock at a fork none is in the child; the connections are
    # the parent's, and shutting one down would break off the parent's request.
    global _lock
    _lock = threading.Lock()
    _aborted.clear()
    _connections.clear()
    _breaks_off.clear()


in_forked_children(_forget)


class RequestAborted(Exception):
    """The request of this thread was broken off."""


class _Noting:
    """A connection that notes which thread used it last."""

    used_by: int | None = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        _raise_if_aborted()
        with _lock:
            self.used_by = threading.get_ident()
            _connections.add(self)
        return super().request(*args, **kwargs)  # type: ignore[misc]

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        # An abort before this had no socket to shut down.
        _raise_if_aborted()


class _HTTPConnection(_Noting, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_Noting, HTTPSConnection):
    pass


class _HTTPPool(WaitingPool, AWSHTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _HTTPConnection


class _HTTPSPool(WaitingPool, AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _HTTPSConnection


def make_abortable(client: Any) -> None:
    """Prepare a new boto3 client, before its first request."""
    use_pools(client, {"http": _HTTPPool, "https": _HTTPSPool})
    # botocore would take the closed socket for a fault, and try again after a pause.
    client.meta.events.register_first("needs-retry.sqs", _raise_if_aborted)


@contextmanager
def broken_off_by(break_off: Callable[[], None]) -> Iterator[None]:
    """Have :func:`abort_request` call *break_off* for this thread while it is in the block."""
    me = threading.get_ident()
    with _lock:
        _breaks_off[me] = break_off
        aborted = threading.current_thread() in _aborted
    try:
        if aborted:
            break_off()
        yield
    finally:
        with _lock:
            _breaks_off.pop(me, None)


def abort_request(thread: threading.Thread) -> None:
    """End the request in which *thread* waits, and every later one of that thread."""
    with _lock:
        _aborted.add(thread)
        if (break_off := _breaks_off.get(thread.ident or 0)) is not None:
            break_off()
        for connection in [c for c in _connections if c.used_by == thread.ident]:
            # It may be closed in the same moment: then there is nothing to end.
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def allow_requests() -> None:
    """Let this thread send requests again after :func:`abort_request`."""
    with _lock:
        _aborted.discard(threading.current_thread())


def _raise_if_aborted(**kwargs: Any) -> None:
    with _lock:
        if threading.current_thread() in _aborted:
            raise RequestAborted
