"""Polling: one long-polling thread for each consumed queue, and the inbox they fill."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...exceptions import SQSError
from ...names import FIFO
from ...quotas import MAX_MESSAGES, MAX_WAIT_TIME
from ..sending.delays import send_on_early
from ..sqs.abort import abort_request, allow_requests
from .inbox import Inbox
from .leases import Lease
from .message_limit import ReceiveLimit
from .rest import IdleRest

if TYPE_CHECKING:
    from ..channel import Channel

logger = logging.getLogger(__name__)

#: Pauses after failed polls, in seconds: doubled from the first to the last, so that
#: receiving goes on within 5 s of the end of an outage.
FIRST_PAUSE, LAST_PAUSE = 1.0, 4.0
#: Seconds between two log records of an outage that lasts.
REMINDER = 60.0
#: How many polls of one queue may be under way besides the first.
MAX_HELPERS = 3
#: Seconds by which a waiting message's release may precede its renewal.
EARLY = 0.1
#: Seconds that a helper waits for places before it ends.
HELPER_PATIENCE = 1.0


class Poller:
    """Receives from one queue whenever there are places for its messages.

    One thread polls always, and waits in the poll when the queue is empty.  While the
    polls come back full, helpers poll beside it, so that a round trip to SQS does not
    bound what one queue can deliver.

    :param name: the queue's name.
    :param channel: the channel whose consumer gets the messages.
    :param inbox: where they are announced.
    """

    def __init__(self, name: str, channel: Channel, inbox: Inbox) -> None:
        self.queue = name
        self.channel = channel
        self._inbox = inbox
        self._buffer: deque[Lease] = deque()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._polling: set[threading.Thread] = set()
        self._wait_time = channel.wait_time_seconds
        self._pause = FIRST_PAUSE
        self._remind_at = 0.0
        self._idle = IdleRest(channel.poll_max_idle, MAX_WAIT_TIME)
        self.priority = channel.priorities.get(name, 0)

    @property
    def limit(self) -> ReceiveLimit | None:
        """The limit on messages received from this queue, if there is one."""
        return self.channel.receive_limits.get(self.queue)

    @property
    def has_waiting(self) -> bool:
        """Whether it has messages that no consumer took yet."""
        return bool(self._buffer)

    def start(self) -> None:
        """Start polling."""
        self._inbox.add(self)
        self._start_thread(self._poll_always)

    def wake(self) -> None:
        """Poll at once, should it rest since its queue is idle; from any thread."""
        self._idle.wake()

    def take(self) -> Lease | None:
        """The oldest message that waits, which then is the consumer's."""
        try:
            lease = self._buffer.popleft()
        except IndexError:
            return None
        self.channel.qos.taken(self.queue)
        return lease

    def give_back_stale(self) -> None:
        """Release what has waited so long that its lease would have to be renewed.

        Another worker may be free for it; this one is not.
        """
        now = time.monotonic() + EARLY
        stale = []
        while self._buffer and self._buffer[0].renew_at <= now:
            lease = self.take()
            if lease is not None:
                stale.append(lease)
        self._give_back(stale)

    def stop(self) -> None:
        """Ask the threads to end and break off their polls; :meth:`finish` waits."""
        self._stopping.set()
        self._idle.wake()
        self.channel.qos.wake()
        # Only a poll: a thread that gives messages back must not be broken off.
        with self._lock:
            for thread in self._polling:
                abort_request(thread)

    def finish(self, timeout: float = 1.0) -> None:
        """Wait for the threads, and give the messages that wait back, visible at once."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout)
        self._give_back_waiting()
        self._inbox.remove(self)

    def _start_thread(self, target: Callable[[], None]) -> None:
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            name = f"sqs-poller-{self.queue}-{len(self._threads)}"
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _poll_always(self) -> None:
        while not self._stopping.is_set():
            if self.limit is not None and self.limit.reached:
                # Not the end: a message that is given back unstarted lowers the count.
                self._inbox.wake()
                self._stopping.wait(0.2)
                continue
            self._idle.rest()
            if self._poll(self._wait_time, timeout=1.0):
                self._start_helper()
        self._end()

    def _end(self) -> None:
        # What came in the moment of the stop goes back.
        self._give_back_waiting()

    def _start_helper(self) -> None:
        with self._lock:
            alive = sum(thread.is_alive() for thread in self._threads)
        if alive <= MAX_HELPERS and not self._stopping.is_set():
            self._start_thread(self._help)

    def _help(self) -> None:
        while not self._stopping.is_set() and self._poll(0, timeout=HELPER_PATIENCE):
            pass
        if self._stopping.is_set():
            self._end()

    def _poll(self, wait_time: int, timeout: float) -> bool:
        """Poll once when there are places; return whether the answer was a full one."""
        if self._inbox.more_urgent_waits(self):
            # What is received now would only wait, and count as received.
            self._stopping.wait(0.1)
            return False
        # One at a time from a FIFO queue: SQS holds back a group's later messages only
        # from later receives, not within one answer.
        at_once = 1 if self.queue.endswith(FIFO) else MAX_MESSAGES
        places = self.channel.qos.reserve_places(self.queue, timeout, at_once)
        if not places:
            return False
        asked = places if self.limit is None else self.limit.reserve(places)
        received: list[Lease] = []
        try:
            if asked and not self._stopping.is_set():
                received = self._receive(asked, wait_time)
                self._announce(received)
        finally:
            self.channel.qos.answered(self.queue, places, len(received))
            if self.limit is not None:
                # After the announcement: a limit that is reached with nothing waiting
                # and nothing running means that all is done.
                self.limit.settle(asked, len(received))
        if not asked:
            # Another receiver holds the last reservations and may return them.
            self._stopping.wait(0.2)
        return len(received) == MAX_MESSAGES

    def _announce(self, received: list[Lease]) -> None:
        self.channel.leases.keep(received)
        for lease in received:
            self._buffer.append(lease)
            self._inbox.announce(self)

    def _receive(self, count: int, wait_time: int) -> list[Lease]:
        channel = self.channel
        declared = channel.declared_visibility_timeout(self.queue)
        with self._lock:
            if self._stopping.is_set():
                return []
            self._polling.add(threading.current_thread())
        self._idle.polling()
        try:
            channel.queues.compare_once(self.queue)
            received = channel.requests.receive(self.queue, count, wait_time, declared)
            seconds = channel.learn_lease_seconds(self.queue)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the poller goes on
            if not self._stopping.is_set():
                self._recover(exc)
            return []
        finally:
            with self._lock:
                self._polling.discard(threading.current_thread())
            allow_requests()
        self._pause = FIRST_PAUSE
        now = time.monotonic()
        # Not within the poll, which a stop may break off.
        messages = send_on_early(channel.requests, self.queue, received)
        if (on_poll := channel.on_poll.get(self.queue)) is not None:
            on_poll(len(messages))
        self._idle.polled(len(received), wait_time)
        # A long poll answers as soon as a message is there, so waiting longer on a
        # queue that stays empty costs no latency and fewer requests.
        if received:
            self._wait_time = channel.wait_time_seconds
        elif wait_time:
            self._wait_time = min(MAX_WAIT_TIME, max(1, wait_time * 2))
        return [Lease(self.queue, message, seconds, now) for message in messages]

    def _recover(self, exc: Exception) -> None:
        now = time.monotonic()
        if isinstance(exc, SQSError):
            # At once, and then only now and then: an outage must not fill the log.
            loud = self._pause < LAST_PAUSE or now >= self._remind_at
            if loud:
                self._remind_at = now + REMINDER
            level = logging.ERROR if loud else logging.DEBUG
            logger.log(level, "%s Trying again in %g s.", exc, self._pause)
        else:
            logger.error(
                "Polling queue %s failed, trying again in %g s",
                self.queue,
                self._pause,
                exc_info=exc,
            )
        self._stopping.wait(self._pause)
        self._pause = min(LAST_PAUSE, self._pause * 2)

    def _give_back_waiting(self) -> None:
        waiting = []
        while (lease := self.take()) is not None:
            waiting.append(lease)
        self._give_back(waiting)

    def _give_back(self, leases: list[Lease]) -> None:
        if leases:
            for lease in leases:
                self.channel.leases.drop(lease.message["ReceiptHandle"])
            if self.limit is not None:
                self.limit.give_back(len(leases))
            self.channel.requests.release(self.queue, [lease.message for lease in leases])
