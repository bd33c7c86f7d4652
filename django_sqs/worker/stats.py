"""SharedStats: what the processes of a runreceiver count, in memory that they share."""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Sequence

from django_sqs_kombu.administration import sent_at
from django_sqs_kombu.transport import Delivery
from django_sqs_kombu.working import Action, Observer

FIELDS = (
    "received",
    "deleted",
    "requeued",
    "rejected",
    "released",
    "unsettled",
    "seconds",
    "running",
    "polled_at",
    "waited",
)
_OUTCOMES = {
    Action.DELETE: "deleted",
    Action.REQUEUE: "requeued",
    Action.REJECT: "rejected",
    Action.RELEASE: "released",
    None: "unsettled",
}
#: The outcomes of messages, as the metrics name them.
OUTCOMES = tuple(_OUTCOMES.values())


class SharedStats(Observer):
    """An observer whose counts every forked process sees.

    Each process writes only to cells of its own, so no lock is shared and the counts of
    one that was killed stay.

    :param queues: the names of the queues.
    :param processes: how many processes there are.
    """

    def __init__(self, queues: Sequence[str], processes: int) -> None:
        self.queues = tuple(queues)
        self.processes = processes
        size = 8 * len(FIELDS) * len(self.queues) * processes
        self._cells = memoryview(mmap.mmap(-1, size)).cast("d")
        self._lock = threading.Lock()
        #: Which of the processes this one is; set after the fork.
        self.process = 0

    def polled(self, queue: str, received: int) -> None:
        """Count what was received, and note that the queue is polled."""
        with self._lock:
            self._cells[self._cell(self.process, queue, "polled_at")] = time.time()
            self._cells[self._cell(self.process, queue, "received")] += received

    def started(self, queue: str, delivery: Delivery) -> None:
        """Count a receiver that runs, and note how long its message waited for it."""
        sent = sent_at(delivery.sqs_message)
        waited = max(0.0, time.time() - sent) if sent else 0.0
        with self._lock:
            self._cells[self._cell(self.process, queue, "running")] += 1
            self._cells[self._cell(self.process, queue, "waited")] = waited

    def ended(self, queue: str, delivery: Delivery, action: Action | None, seconds: float) -> None:
        """Count what became of a message."""
        with self._lock:
            self._cells[self._cell(self.process, queue, "running")] -= 1
            self._cells[self._cell(self.process, queue, _OUTCOMES[action])] += 1
            self._cells[self._cell(self.process, queue, "seconds")] += seconds

    def forget(self, process: int) -> None:
        """Process number *process* has ended: nothing runs in it any more."""
        for queue in self.queues:
            self._cells[self._cell(process, queue, "running")] = 0
            self._cells[self._cell(process, queue, "polled_at")] = 0
            self._cells[self._cell(process, queue, "waited")] = 0

    def total(self, queue: str, field: str) -> float:
        """The sum of *field*, one of :data:`FIELDS`, over all processes."""
        return sum(self.value(process, queue, field) for process in range(self.processes))

    def most(self, queue: str, field: str) -> float:
        """The greatest *field* of all processes."""
        return max(self.value(process, queue, field) for process in range(self.processes))

    def value(self, process: int, queue: str, field: str) -> float:
        """*field* of one process."""
        return float(self._cells[self._cell(process, queue, field)])

    def _cell(self, process: int, queue: str, field: str) -> int:
        row = process * len(self.queues) + self.queues.index(queue)
        return row * len(FIELDS) + FIELDS.index(field)
