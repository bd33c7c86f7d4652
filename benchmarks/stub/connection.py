"""Connection: HTTP/1.1 by hand, since a web framework would be slower than what is measured."""

import asyncio
import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client's connection: its requests are answered one after the other."""

    def __init__(self, service, loop):
        self._service = service
        self._loop = loop
        self._data = b""
        self._busy = False
        self._continued = False
        #: The poll that is waited for, with its timer.
        self.poll = None
        self._polling = False

    def connection_made(self, transport):
        self._transport = transport

    def connection_lost(self, exc):
        if self._polling:
            self._service.counts.polls -= 1
        if self.poll is not None:
            self.poll.break_off()
            self.poll = None

    def data_received(self, data):
        self._data = self._data + data if self._data else data
        if not self._busy:
            self._next()

    def _next(self):
        data = self._data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = data[:end]
        found = _LENGTH.search(head)
        whole = end + (int(found[1]) if found else 0)
        if len(data) < whole:
            if not self._continued and b"100-continue" in head:
                self._continued = True
                self._transport.write(_CONTINUE)
            return
        self._data, self._busy, self._continued = data[whole:], True, False
        self._service.handle(self, head, data[end:whole])

    def begin_poll(self):
        self._polling = True

    def wait(self, seconds, poll):
        """Answer by *poll*, when its queue has something or after *seconds*."""
        self.poll = poll
        poll.timer = self._loop.call_later(seconds, poll.give_up)

    def answer(self, data, *, at_once=False):
        """Answer the request, after the latency that is set."""
        self.poll = None
        latency = self._service.latency
        if latency and not at_once:
            self._service.counts.begin_late()
            self._loop.call_later(latency, self._write_late, data)
        else:
            self._write(data)

    def _write_late(self, data):
        self._service.counts.late -= 1
        self._write(data)

    def _write(self, data):
        if self._transport.is_closing():
            return
        if self._polling:
            self._polling = False
            self._service.counts.polls -= 1
        self._transport.write(data)
        self._busy = False
        if self._data:
            self._next()
