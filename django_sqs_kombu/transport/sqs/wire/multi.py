"""Multi: libcurl's multi handle, whose sockets a loop waits for."""

from __future__ import annotations

import contextlib
import os
import selectors
import stat
import time
from collections.abc import Iterable

import pycurl

from ....posix import before_forks
from ..files import most_connections
from ..forks import renew_after_fork

#: Kept connections, or as many as have been in use at once: were there fewer, each answer would
#: close one, and each request of many queues begin with another handshake.
CONNECTIONS = 256

_MASKS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}

#: What waits by epoll or kqueue.
_FORGETTING = tuple(
    getattr(selectors, name)
    for name in ("EpollSelector", "KqueueSelector")
    if hasattr(selectors, name)
)

Ended = tuple[pycurl.Curl, "tuple[int, str] | None"]


class Multi:
    """Requests under way, all in the thread that made it.

    :param selector: waits for its sockets; each is registered with what is to be called when it
        is ready.
    :ivar due: when libcurl is to look at its own timeouts, on the monotonic clock, if at all;
        0: now.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.due: float | None = None
        self._selector = selector
        #: What each registered socket waits for; None: nothing now. It stays registered, since the
        #: next request mostly comes soon, over the same connection.
        self._masks: dict[int, int | None] = {}
        #: Whether the system forgets a socket that is closed here, and no other process has.
        self._forgets = isinstance(selector, _FORGETTING)
        self._left: set[int] = set()
        #: What is registered under each number, which the system gives again to the next that
        #: is opened.
        self._inodes: dict[int, int | None] = {}
        self._added = 0
        self._running = 0
        #: Requests beyond that wait in libcurl for a connection.
        self._most = 0
        self._kept = CONNECTIONS
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._kept)

    def close(self, under_way: Iterable[pycurl.Curl]) -> None:
        """Leave the handles of requests under way, and close all else."""
        for curl in under_way:
            with contextlib.suppress(pycurl.error):
                self._multi.remove_handle(curl)
        self._multi.close()

    def add(self, curl: pycurl.Curl) -> None:
        """Begin the request that *curl* has."""
        if self._added >= self._most:
            # The process may have been allowed more files since.
            self._most = most_connections()
            self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._most)
        if self._added >= self._kept:
            self._kept *= 2
            self._multi.setopt(pycurl.M_MAXCONNECTS, self._kept)
        self._multi.add_handle(curl)
        self._added += 1
        self._running += 1

    def remove(self, curl: pycurl.Curl) -> None:
        """End its request."""
        self._multi.remove_handle(curl)
        self._added -= 1
        self._running -= 1

    def before_acting(self) -> None:
        """Wait for no socket that no request uses, where it could be closed unseen."""
        if self._left and (_forks.begun or not self._forgets):
            for fd in self._left:
                self._forget(fd)
            self._left.clear()

    def look(self) -> None:
        """Let libcurl look at its timeouts, when it is time for that."""
        due = self.due
        if due is not None and (not due or time.monotonic() >= due):
            self.due = None
            # Kept connections that are too old, or dead, are closed then.
            self.before_acting()
            self._act(pycurl.SOCKET_TIMEOUT, 0)

    @property
    def has_ended(self) -> bool:
        """Whether a request has ended that :meth:`ended` has not told."""
        return self._running < self._added

    def ended(self) -> list[Ended]:
        """The requests that have ended, each with its error."""
        found: list[Ended] = []
        if not self.has_ended:
            return found
        left = 1
        while left:
            left, answered, failed = self._multi.info_read()
            found += [(curl, None) for curl in answered]
            found += [(curl, (code, text)) for curl, code, text in failed]
        for curl, _ in found:
            self._multi.remove_handle(curl)
        self._added -= len(found)
        self._running = self._added
        return found

    def _ready(self, fd: int, mask: int) -> None:
        if fd in self._left:
            # The other side has closed a connection that no request uses.
            self._left.discard(fd)
            self._forget(fd)
            return
        read = pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0
        write = pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
        self._act(fd, read | write)

    def _act(self, fd: int, what: int) -> None:
        _, self._running = self._multi.socket_action(fd, what)

    def _socket(self, what: int, fd: int, multi: object, data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._leave(fd)
            return
        mask, before = _MASKS[what], self._masks.get(fd)
        if before is None:
            self._left.discard(fd)
            self._wait_for(fd, mask)
        elif before != mask:
            self._selector.modify(fd, mask, self._ready)
        self._masks[fd] = mask

    def _leave(self, fd: int) -> None:
        if fd not in self._masks:
            return
        if _forks.begun:
            # What is closed here first stays registered as long as a child has it open, and
            # nothing could unregister it then.
            self._forget(fd)
        else:
            self._masks[fd] = None
            self._left.add(fd)

    def _wait_for(self, fd: int, mask: int) -> None:
        inode = _inode(fd)
        if fd in self._masks:
            if inode is not None and inode == self._inodes[fd]:
                if self._selector.get_key(fd).events != mask:
                    self._selector.modify(fd, mask, self._ready)
                return
            # That one was closed, and the system forgot it.
            self._forget(fd)
        self._selector.register(fd, mask, self._ready)
        self._inodes[fd] = inode
        # What a program that is started has open stays registered as well, after it is closed
        # here, and older versions of libcurl let each inherit everything.
        os.set_inheritable(fd, False)

    def _forget(self, fd: int) -> None:
        del self._masks[fd], self._inodes[fd]
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._selector.unregister(fd)

    def _set_timer(self, milliseconds: int) -> None:
        if milliseconds > 0:
            self.due = time.monotonic() + milliseconds / 1000
        else:
            self.due = None if milliseconds else 0.0


class _Forks:
    """Whether this process has forked others, which share its sockets."""

    def __init__(self) -> None:
        self.begun = False
        before_forks(self._begin)
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Those of the parent are not used in a forked child, and its own are nobody else's."""
        self.begun = False

    def _begin(self) -> None:
        self.begun = True


_forks = _Forks()


def _inode(fd: int) -> int | None:
    """What tells a socket from another one of the same number; None: nothing does."""
    found = os.fstat(fd)
    # Where the system numbers its sockets they are not 0.
    return (found.st_ino or None) if stat.S_ISSOCK(found.st_mode) else None
