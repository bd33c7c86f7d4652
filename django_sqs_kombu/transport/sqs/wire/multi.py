"""Multi: libcurl's multi handle, whose sockets a loop waits for."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Iterable

import pycurl

#: Kept connections: a process rarely consumes from more queues of few messages.
CONNECTIONS = 256

_MASKS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}

Ended = tuple[pycurl.Curl, "tuple[int, str] | None"]


class Multi:
    """Requests under way, all in the thread that made it.

    :param selector: waits for its sockets; each is registered with what is to be called when it
        is ready.
    :ivar due: when libcurl is to look at its own timeouts, on the monotonic clock, if at all.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.due: float | None = None
        self._selector = selector
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS)

    def close(self, under_way: Iterable[pycurl.Curl]) -> None:
        """Leave the handles of requests under way, and close all else."""
        for curl in under_way:
            with contextlib.suppress(pycurl.error):
                self._multi.remove_handle(curl)
        self._multi.close()

    def add(self, curl: pycurl.Curl) -> None:
        """Begin the request that *curl* has."""
        self._multi.add_handle(curl)

    def remove(self, curl: pycurl.Curl) -> None:
        """End its request."""
        self._multi.remove_handle(curl)

    def look(self) -> None:
        """Let libcurl look at its timeouts, when it is time for that."""
        if self.due is not None and time.monotonic() >= self.due:
            self.due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def ended(self) -> list[Ended]:
        """The requests that have ended, each with its error."""
        found: list[Ended] = []
        left = 1
        while left:
            left, answered, failed = self._multi.info_read()
            found += [(curl, None) for curl in answered]
            found += [(curl, (code, text)) for curl, code, text in failed]
        for curl, _ in found:
            self._multi.remove_handle(curl)
        return found

    def _ready(self, fd: int, mask: int) -> None:
        read = pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0
        write = pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
        self._multi.socket_action(fd, read | write)

    def _socket(self, what: int, fd: int, multi: object, data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(fd)
        elif fd in self._selector.get_map():
            self._selector.modify(fd, _MASKS[what], self._ready)
        else:
            self._selector.register(fd, _MASKS[what], self._ready)

    def _set_timer(self, milliseconds: int) -> None:
        self.due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
