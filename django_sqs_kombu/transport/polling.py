"""Polling: one long-polling thread for each consumed queue, and the inbox they fill."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..exceptions import SQSError
from ..limits import ReceiveLimit
from .abort import abort_request, allow_requests

if TYPE_CHECKING:
    from .channel import Channel

logger = logging.getLogger(__name__)

#: The longest wait that SQS allows for one ReceiveMessage, in seconds.
MAX_WAIT_TIME = 20
#: Pauses after failed polls, in seconds: doubled from the first to the last.
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Received:
    """A message that waits for its consumer.

    :param message: as ReceiveMessage returned it.
    :param expires_at: when its visibility timeout ends, on the monotonic clock; None
        where the queue's timeout is not known.
    """

    message: Mapping[str, Any]
    expires_at: float | None


class Inbox:
    """Where the pollers of a connection announce messages and the consumer waits."""

    def __init__(self) -> None:
        self._announced: queue.SimpleQueue[Poller | None] = queue.SimpleQueue()

    def announce(self, poller: Poller) -> None:
        """Say that *poller* has one more message."""
        self._announced.put(poller)

    def wake(self) -> None:
        """Make :meth:`next` return now; safe in a signal handler."""
        self._announced.put(None)

    def next(self, timeout: float | None) -> tuple[Poller, Received] | None:
        """The next message and its poller, or None when woken.

        :raises queue.Empty: none came within *timeout* seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            poller = self._announced.get(timeout=left)
            if poller is None:
                return None
            received = poller.take()
            if received is not None:
                return poller, received


class Poller(threading.Thread):
    """Receives from one queue whenever there is a free place for its messages.

    :param name: the queue's name.
    :param channel: the channel whose consumer gets the messages.
    :param inbox: where they are announced.
    """

    def __init__(self, name: str, channel: Channel, inbox: Inbox) -> None:
        super().__init__(name=f"sqs-poller-{name}", daemon=True)
        self.queue = name
        self.channel = channel
        self._inbox = inbox
        self._buffer: deque[Received] = deque()
        self._stopping = threading.Event()
        self._wait_time = channel.wait_time_seconds
        self._pause = FIRST_PAUSE

    @property
    def limit(self) -> ReceiveLimit | None:
        """The limit on messages received from this queue, if there is one."""
        return self.channel.receive_limits.get(self.queue)

    def run(self) -> None:
        """Poll until stopped."""
        while not self._stopping.is_set():
            if self.limit is not None and self.limit.reached:
                # Not the end: a message that is given back unstarted lowers the count.
                self._inbox.wake()
                self._stopping.wait(0.2)
                continue
            places = self.channel.qos.wait_for_places(self.queue, timeout=1.0)
            if self.queue.endswith(".fifo"):
                # One at a time: SQS holds back a group's later messages only from
                # later receives, not within one answer.
                places = min(places, 1)
            if places and not self._stopping.is_set():
                self._poll_within_limit(places)
        allow_requests()
        self._give_back_waiting()

    @property
    def has_waiting(self) -> bool:
        """Whether it has messages that no consumer took yet."""
        return bool(self._buffer)

    def take(self) -> Received | None:
        """The oldest message that waits, which then is the consumer's."""
        try:
            received = self._buffer.popleft()
        except IndexError:
            return None
        self.channel.qos.buffered(self.queue, -1)
        return received

    def stop(self) -> None:
        """Ask the thread to end and break off its poll; :meth:`finish` waits for it."""
        self._stopping.set()
        self.channel.qos.wake()
        if self.is_alive():
            abort_request(self)

    def finish(self, timeout: float = 1.0) -> None:
        """Wait for the thread and give the messages that wait back, visible at once."""
        if self.is_alive() and threading.current_thread() is not self:
            self.join(timeout)
        self._give_back_waiting()

    def _poll_within_limit(self, places: int) -> None:
        if self.limit is None:
            self._poll(places)
            return
        reserved = self.limit.reserve(places)
        if not reserved:
            # Another receiver holds the last reservations and may return them.
            self._stopping.wait(0.2)
            return
        received = 0
        try:
            received = self._poll(reserved)
        finally:
            self.limit.settle(reserved, received)

    def _poll(self, places: int) -> int:
        requests = self.channel.requests
        timeout = self.channel.declared_visibility_timeout(self.queue)
        try:
            messages = requests.receive(self.queue, places, self._wait_time, timeout)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the poller goes on
            if not self._stopping.is_set():
                self._recover(exc)
            return 0
        self._pause = FIRST_PAUSE
        self._adapt_wait_time(bool(messages))
        expires_at = None if timeout is None else time.monotonic() + timeout
        for message in messages:
            self.channel.qos.buffered(self.queue, 1)
            self._buffer.append(Received(message, expires_at))
            self._inbox.announce(self)
        return len(messages)

    def _adapt_wait_time(self, got_messages: bool) -> None:
        # A long poll answers as soon as a message is there, so waiting longer on a
        # queue that stays empty costs no latency and fewer requests.
        if got_messages:
            self._wait_time = self.channel.wait_time_seconds
        else:
            self._wait_time = min(MAX_WAIT_TIME, max(1, self._wait_time * 2))

    def _recover(self, exc: Exception) -> None:
        if isinstance(exc, SQSError):
            logger.error("%s Trying again in %g s.", exc, self._pause)
        else:
            logger.exception(
                "Polling queue %s failed, trying again in %g s", self.queue, self._pause
            )
        self._stopping.wait(self._pause)
        self._pause = min(LAST_PAUSE, self._pause * 2)

    def _give_back_waiting(self) -> None:
        waiting = []
        while (received := self.take()) is not None:
            waiting.append(received.message)
        if waiting:
            if self.limit is not None:
                self.limit.give_back(len(waiting))
            self.channel.requests.release(self.queue, waiting)
