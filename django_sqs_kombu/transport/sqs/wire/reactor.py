"""Reactor: one thread that waits for the answers of many requests at once."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

import pycurl

from ....logs import get_logger
from ..forks import keep_for_ever, renew_after_fork
from .handles import Handle

logger = get_logger(__name__)

#: Seconds without a request after which the thread ends; the next one starts it again.
IDLE = 10.0
#: Seconds after which the thread looks again, whatever it was told.
LOOK = 5.0
#: Seconds that the thread pauses after a failure of its own.
PAUSE = 1.0
#: Kept connections: a process rarely consumes from more queues of few messages.
CONNECTIONS = 256
#: What a request ends with that was broken off, and one whose thread failed: libcurl's
#: CURLE_ABORTED_BY_CALLBACK and CURLE_FAILED_INIT.
BROKEN_OFF, FAILED = 42, 2

_MASKS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}


class Exchange:
    """A request under way in the reactor.

    :param handle: with the request prepared.
    :param done: called in the reactor's thread when it has ended; it must not wait for anything.
    :ivar error: libcurl's error and its text; None: it was answered.
    """

    __slots__ = ("_reactor", "done", "ended", "error", "handle")

    def __init__(self, reactor: Reactor, handle: Handle, done: Callable[[], None]) -> None:
        self._reactor = reactor
        self.handle = handle
        self.done = done
        self.error: tuple[int, str] | None = None
        self.ended = False

    def break_off(self) -> None:
        """End it now, without an answer; from any thread."""
        self._reactor.break_off(self)


class Reactor:
    """Requests under way, and the thread that waits for them; safe to use from any thread.

    It ends by itself when there is nothing to wait for.
    """

    def __init__(self) -> None:
        self._setup()
        renew_after_fork(self)

    def _setup(self) -> None:
        # Of what is asked for, and whether there is a thread for it. A signal's handler may ask.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        #: What is to be begun (True) and to be broken off.
        self._asked: deque[tuple[bool, Exchange]] = deque()
        self._sleeps = False
        self._under_way: dict[pycurl.Curl, Exchange] = {}
        self._loop: _Loop | None = None

    def renew_after_fork(self) -> None:
        """Leave the parent's requests and connections alone, in a forked child."""
        keep_for_ever((self._loop, self._under_way, list(self._asked)))
        self._setup()

    def begin(self, handle: Handle, done: Callable[[], None]) -> Exchange:
        """Send the request that *handle* has.

        :raises RuntimeError: no thread can be started.
        """
        exchange = Exchange(self, handle, done)
        self._ask(True, exchange)
        return exchange

    def break_off(self, exchange: Exchange) -> None:
        """End a request now, without an answer."""
        if not exchange.ended:
            self._ask(False, exchange)

    def _ask(self, begin: bool, exchange: Exchange) -> None:
        with self._lock:
            self._asked.append((begin, exchange))
            if self._thread is None:
                self._start()
            elif self._sleeps and self._loop is not None:
                self._loop.wake()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sqs-io", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            self._asked.pop()
            raise

    # In the thread.

    def _run(self) -> None:
        idle_at = time.monotonic() + IDLE
        while True:
            try:
                if self._loop is None:
                    self._loop = _Loop()
                self._turn(self._loop)
            except Exception:
                logger.exception("Waiting for SQS's answers failed, the requests end")
                self._fail()
                time.sleep(PAUSE)
            now = time.monotonic()
            if self._under_way or self._asked:
                idle_at = now + IDLE
            elif now >= idle_at:
                with self._lock:
                    if not self._asked:
                        self._thread = None
                        return

    def _turn(self, loop: _Loop) -> None:
        while self._asked:
            begin, exchange = self._asked.popleft()
            self._begin(loop, exchange) if begin else self._break_off(loop, exchange)
        # Before the look at what is asked for: whoever asks after it wakes the loop.
        self._sleeps = True
        timeout = 0.0 if self._asked else LOOK if self._under_way else IDLE
        try:
            loop.wait(timeout)
        finally:
            self._sleeps = False
        for curl, error in loop.ended():
            if (found := self._under_way.pop(curl, None)) is not None:
                self._end(found, error)

    def _begin(self, loop: _Loop, exchange: Exchange) -> None:
        self._under_way[exchange.handle.curl] = exchange
        loop.add(exchange.handle.curl)

    def _break_off(self, loop: _Loop, exchange: Exchange) -> None:
        # Its handle may have the next request by now.
        if self._under_way.get(exchange.handle.curl) is exchange:
            del self._under_way[exchange.handle.curl]
            loop.remove(exchange.handle.curl)
            self._end(exchange, (BROKEN_OFF, "it was broken off"))

    def _fail(self) -> None:
        """End every request, and what was waited with: whoever asked may ask again."""
        loop, self._loop = self._loop, None
        if loop is not None:
            with contextlib.suppress(Exception):
                loop.close(self._under_way)
        with self._lock:
            begun = [exchange for begin, exchange in self._asked if begin]
            self._asked.clear()
        ended = [*self._under_way.values(), *begun]
        self._under_way.clear()
        for exchange in ended:
            self._end(exchange, (FAILED, "what waits for answers failed"))

    def _end(self, exchange: Exchange, error: tuple[int, str] | None) -> None:
        exchange.error = error
        exchange.ended = True
        try:
            exchange.done()
        except Exception:
            logger.exception("What was to be done with an answer of SQS's failed")


class _Loop:
    """libcurl's multi handle, driven by a selector."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._selector.register(self._reader, selectors.EVENT_READ)
        self._timer: float | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS)

    def wake(self) -> None:
        """Make :meth:`wait` return; from any thread."""
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def close(self, under_way: Iterable[pycurl.Curl]) -> None:
        """Leave the handles of requests under way, and close all else."""
        for curl in under_way:
            with contextlib.suppress(pycurl.error):
                self._multi.remove_handle(curl)
        self._multi.close()
        self._selector.close()
        self._reader.close()
        self._writer.close()

    def add(self, curl: pycurl.Curl) -> None:
        self._multi.add_handle(curl)

    def remove(self, curl: pycurl.Curl) -> None:
        self._multi.remove_handle(curl)

    def wait(self, timeout: float) -> None:
        """Wait for a turn of the requests under way, for *timeout* seconds at most."""
        if self._timer is not None:
            timeout = min(timeout, max(0.0, self._timer - time.monotonic()))
        for key, mask in self._selector.select(timeout):
            if key.fileobj is self._reader:
                with contextlib.suppress(BlockingIOError):
                    self._reader.recv(4096)
            else:
                self._multi.socket_action(key.fd, _selected(mask))
        if self._timer is not None and time.monotonic() >= self._timer:
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def ended(self) -> list[tuple[pycurl.Curl, tuple[int, str] | None]]:
        """The requests that have ended, each with its error."""
        found: list[tuple[pycurl.Curl, tuple[int, str] | None]] = []
        left = 1
        while left:
            left, answered, failed = self._multi.info_read()
            found += [(curl, None) for curl in answered]
            found += [(curl, (code, text)) for curl, code, text in failed]
        for curl, _ in found:
            self._multi.remove_handle(curl)
        return found

    def _socket(self, what: int, fd: int, multi: object, data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(fd)
        elif fd in self._selector.get_map():
            self._selector.modify(fd, _MASKS[what])
        else:
            self._selector.register(fd, _MASKS[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _selected(mask: int) -> int:
    read = pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0
    return read | (pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0)


#: The one of this process.
reactor = Reactor()
