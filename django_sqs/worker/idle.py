"""StopWhenIdle: ends a runreceiver whose queues have been empty for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from django_sqs_kombu.exceptions import QueueDoesNotExist, SQSError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread, without_fail
from django_sqs_kombu.registration import RegisteredQueue

from .stats import SharedStats

logger = get_logger(__name__)

#: Seconds between two looks at what the processes count.
LOOK = 0.5


class StopWhenIdle:
    """A thread of the process that starts the others, which stops it once there is nothing to do.

    That is when for so long nothing was received and nothing ran, each queue was polled in that
    time, and SQS then counts no message in it: none visible, none in flight, also elsewhere, and
    none delayed.  A queue that a person has paused keeps nobody, nor does one of which as many
    messages were received as is the limit: it is polled no more.

    :param seconds: for how long.
    :param stats: what the processes count.
    :param queues: those that are received from.
    :param suffix: the queue name suffix to use.
    :param stop: called once, in this thread.
    :param limit: how many messages of each queue are received; None: any number.
    """

    def __init__(
        self,
        seconds: float,
        stats: SharedStats,
        queues: Sequence[RegisteredQueue],
        suffix: str | None,
        stop: Callable[[], None],
        limit: int | None = None,
    ) -> None:
        self._seconds = seconds
        self._stats = stats
        self._queues = queues
        self._suffix = suffix
        self._stop = stop
        self._limit = limit
        self._since = 0.0
        self._received = -1.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-idle", daemon=True)

    def start(self) -> None:
        """Start to look."""
        start_thread(self._thread)

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not without_fail(partial(self._stopping.wait, LOOK)):
            try:
                if not self._is_over(time.monotonic()):
                    continue
            except SQSError as exc:
                logger.warning("Cannot find out whether the queues are empty: %s", exc)
            except Exception:
                logger.exception("Cannot find out whether the queues are empty")
            else:
                logger.info(
                    "Stopping: the queues were empty and nothing ran for %g s", self._seconds
                )
                self._stop()
                return

    def _is_over(self, now: float) -> bool:
        """Whether it has been idle for long enough, and SQS agrees."""
        received, running = (
            sum(self._stats.total(queue.name, field) for queue in self._queues)
            for field in ("received", "running")
        )
        if running or received != self._received:
            self._received, self._since = received, now
        if now - self._since < self._seconds:
            return False
        polled = [queue for queue in self._queues if not self._is_put_off(queue)]
        if not all(self._was_polled(queue) for queue in polled):
            # SQS may be away.
            return False
        # Asked again only after as long again.
        self._since = now
        return not any(self._has_messages(queue) for queue in polled)

    def _is_put_off(self, queue: RegisteredQueue) -> bool:
        """Whether a person has paused it, or it has had enough; a breaker's pause is over soon."""
        if self._has_enough(queue):
            return True
        paused, by_breaker = (
            self._stats.total(queue.name, field) for field in ("paused", "by_breaker")
        )
        return bool(paused) and not by_breaker

    def _has_enough(self, queue: RegisteredQueue) -> bool:
        """Whether as many messages were received of it as are to be."""
        if self._limit is None or self._stats.total(queue.name, "received") < self._limit:
            return False
        # Those that were given back unstarted do not count, and it is polled for others.
        return not self._was_polled(queue)

    def _was_polled(self, queue: RegisteredQueue) -> bool:
        places = range(self._stats.processes)
        return max(self._stats.polled_at(place, queue.name) for place in places) > self._since

    def _has_messages(self, queue: RegisteredQueue) -> bool:
        requests = queue.receivers.channel().requests
        try:
            return bool(requests.counts(queue.full_name(self._suffix)).total)
        except QueueDoesNotExist:
            return False
