"""Leases: keeps the messages that are being processed invisible to others."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...exceptions import SQSError
from ...quotas import MAX_MESSAGES
from ..settling.lost import log_failure

if TYPE_CHECKING:
    from ..sqs.received import Message
    from ..sqs.requests import Requests

logger = logging.getLogger(__name__)

#: The share of its visibility timeout after which a lease is renewed.
RENEW_AFTER = 2 / 3
#: Seconds before a renewal that failed is tried again.
RETRY_PAUSE = 1.0


@dataclass(slots=True, eq=False)
class Lease:
    """A received message's visibility timeout.

    :param queue: the queue's name.
    :param message: as ReceiveMessage returned it.
    :param seconds: the visibility timeout.
    :param received_at: when it came, on the monotonic clock.
    :ivar waiting: whether no consumer has taken it yet.
    """

    queue: str
    message: Message
    seconds: float
    received_at: float
    renew_at: float = 0.0
    expires_at: float = 0.0
    waiting: bool = True

    def __post_init__(self) -> None:
        self.renew(self.received_at)

    def renew(self, now: float) -> None:
        """Count the visibility timeout from *now*."""
        self.renew_at = now + self.seconds * RENEW_AFTER
        self.expires_at = now + self.seconds


class LeaseKeeper:
    """Renews the leases of messages that are with a consumer, until they are settled.

    One thread, which is started with the first lease, renews what is due in batches.  A
    message that still waits for its consumer then is given back instead.

    :param requests: what sends the renewals.
    :param give_back: called with a queue's name when messages of it have waited too long.
    """

    def __init__(self, requests: Requests, give_back: Callable[[str], None]) -> None:
        self._requests = requests
        self._give_back = give_back
        self._changed = threading.Condition()
        self._kept: dict[str, Lease] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def keep(self, leases: Sequence[Lease]) -> None:
        """Keep the messages of *leases* invisible until :meth:`drop`."""
        lasting = {lease.message["ReceiptHandle"]: lease for lease in leases if lease.seconds}
        if not lasting:
            return
        with self._changed:
            self._kept.update(lasting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sqs-leases", daemon=True)
                self._thread.start()
            elif min(lease.renew_at for lease in lasting.values()) < self._next_due:
                self._changed.notify()

    def drop(self, receipt_handle: str) -> None:
        """The message is settled: its lease ends."""
        self._kept.pop(receipt_handle, None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._kept.clear()
            self._changed.notify()

    def renew_due(self, now: float) -> None:
        """Renew every lease whose time has come, or give its message back."""
        by_queue: dict[str, list[Lease]] = defaultdict(list)
        for lease in list(self._kept.values()):
            # One that is nearly due goes along: a fuller request is a cheaper one.
            if lease.renew_at - lease.seconds * 0.1 <= now:
                by_queue[lease.queue].append(lease)
        for queue, nearly_due in by_queue.items():
            due = [lease for lease in nearly_due if lease.renew_at <= now]
            if any(lease.waiting for lease in due):
                self._give_back(queue)
            if any(not lease.waiting for lease in due):
                leases = [lease for lease in nearly_due if not lease.waiting]
                for start in range(0, len(leases), MAX_MESSAGES):
                    self._renew(queue, leases[start : start + MAX_MESSAGES])

    _next_due = float("inf")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._next_due = min(
                    (lease.renew_at for lease in list(self._kept.values())), default=float("inf")
                )
                wait = min(self._next_due - time.monotonic(), 60.0)
                if wait > 0 and not self._closed:
                    self._changed.wait(wait)
                if self._closed:
                    return
            self.renew_due(time.monotonic())

    def _renew(self, queue: str, leases: list[Lease]) -> None:
        now = time.monotonic()
        try:
            results = self._requests.change_visibility_batch(
                queue,
                [lease.message for lease in leases],
                [int(lease.seconds) for lease in leases],
            )
        except SQSError as exc:
            logger.warning("%d leases of queue %s were not renewed: %s", len(leases), queue, exc)
            self._note(leases, now, set(), range(len(leases)))
            return
        lost = {n for n, failure in enumerate(results) if failure and not failure.passing}
        failed = {n for n, failure in enumerate(results) if failure} - lost
        for number in lost:
            log_failure(leases[number].message, results[number])
        self._note(leases, now, lost, failed)

    def _note(
        self, leases: list[Lease], now: float, lost: Iterable[int], failed: Iterable[int]
    ) -> None:
        for number, lease in enumerate(leases):
            if number in lost:
                # Nobody renews what is lost; the delete that follows may fail, and may.
                self.drop(lease.message["ReceiptHandle"])
            elif number in failed:
                lease.renew_at = now + min(RETRY_PAUSE, lease.seconds / 10)
            else:
                lease.renew(now)
