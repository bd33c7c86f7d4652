"""Loop: a selector that others may end, and libcurl's sockets where there are any."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from functools import partial
from typing import Any


class Loop:
    """What the thread of the reactor waits in."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._selector.register(self._reader, selectors.EVENT_READ)
        #: Makes :meth:`wait` return; from any thread. All in C, so no signal's handler runs before.
        self.wake = partial(self._writer.send, b"\0")
        self._multi: Any = None

    def close(self, under_way: list[Any]) -> None:
        """Leave the handles of requests under way, and close all else."""
        if self._multi is not None:
            self._multi.close(under_way)
        self._selector.close()
        self._reader.close()
        self._writer.close()

    def add(self, curl: Any) -> None:
        """Begin the request of a handle."""
        if self._multi is None:
            # Only where there is libcurl does anybody begin one.
            from .multi import Multi

            self._multi = Multi(self._selector)
        self._multi.add(curl)

    def remove(self, curl: Any) -> None:
        """End the request of a handle."""
        self._multi.remove(curl)

    def send(self) -> None:
        """Send what has begun."""
        if self._multi is not None:
            self._multi.look()

    def wait(self, timeout: float) -> None:
        """Wait for a turn of the requests under way, for *timeout* seconds at most."""
        multi = self._multi
        if multi is not None:
            # What begins is sent before anything is waited for.
            multi.look()
            multi.before_acting()
            if multi.has_ended:
                timeout = 0.0
            elif multi.due is not None:
                timeout = min(timeout, max(0.0, multi.due - time.monotonic()))
        ready = self._selector.select(timeout)
        if multi is not None:
            multi.before_acting()
        for key, mask in ready:
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._reader.recv(4096)
            else:
                key.data(key.fd, mask)
        if multi is not None:
            multi.look()

    def ended(self) -> list[tuple[Any, tuple[int, str] | None]]:
        """The requests that have ended, each with its error."""
        return [] if self._multi is None else self._multi.ended()
