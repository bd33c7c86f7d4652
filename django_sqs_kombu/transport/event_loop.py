"""EventLoopDelivery: hands received messages to consumers on a kombu event loop."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Protocol

from .receiving.inbox import Inbox

#: Messages delivered before the loop's other events have their turn.
AT_ONCE = 10


class Delivering(Protocol):
    """What delivers received messages: a transport."""

    inbox: Inbox

    def may_deliver(self) -> bool:
        """Whether there is a place for another message."""

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver the next message to its consumer."""


class EventLoopDelivery:
    """Delivers what the pollers of a connection received, in the thread of the loop.

    Only what the prefetch count leaves places for is delivered; the rest waits with its
    poller.  The loop itself never
    waits for SQS.

    :param transport: whose messages are delivered.
    :param loop: a kombu ``Hub``, such as a Celery worker's.
    """

    def __init__(self, transport: Delivering, loop: Any) -> None:
        self._transport = transport
        self._loop = loop
        # A socket pair: kombu's call_soon() does not wake the loop before kombu 5.7.
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._notified = False
        loop.add_reader(self._reader, self._deliver)
        transport.inbox.on_change = self.notify
        transport.inbox.pace.always = True

    def notify(self) -> None:
        """Make the loop deliver what may be delivered; from any thread."""
        if not self._notified:
            self._notified = True
            with contextlib.suppress(OSError):
                self._writer.send(b"\0")

    def close(self) -> None:
        """Leave the loop."""
        self._transport.inbox.on_change = None
        self._transport.inbox.pace.always = False
        self._loop.remove(self._reader)
        self._reader.close()
        self._writer.close()

    def _deliver(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)
        # Before the look at what waits: what comes after it notifies again.
        self._notified = False
        for _ in range(AT_ONCE):
            if not self._transport.may_deliver():
                return
            try:
                self._transport.drain_events(None, timeout=0)
            except TimeoutError:
                return
        self.notify()
