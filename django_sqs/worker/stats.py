"""SharedStats: what the processes of a runreceiver count, in memory that they share."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from django_sqs_kombu.administration import sent_at
from django_sqs_kombu.messages import Delivery
from django_sqs_kombu.transport import Pause
from django_sqs_kombu.working import (
    Action,
    Middleware,
    NamedQueue,
    Settlement,
    Trip,
    current_message,
)

from .cells import Cells

FIELDS = (
    "received",
    "deleted",
    "requeued",
    "rejected",
    "released",
    "discarded",
    "dead_lettered",
    "unsettled",
    "retried",
    "continued",
    "expired",
    "cancelled",
    "limited",
    "tripped",
    "open",
    "seconds",
    "running",
    "polled_at",
    "waited",
    "started_at",
    "full_at",
    "paused",
    "by_breaker",
    "handed_over_at",
)
#: What is over with the process that says it.
_OF_A_PROCESS = ("running", "polled_at", "waited", "full_at", "paused", "by_breaker", "open")
#: How long the wait of the latest message is told after it was started, in seconds, where
#: polls bring nothing since.
WAIT_KEPT = 60.0
_OUTCOMES = {
    Action.DELETE: "deleted",
    Action.REQUEUE: "requeued",
    Action.REJECT: "rejected",
    Action.RELEASE: "released",
    Action.DISCARD: "discarded",
    Action.DEAD_LETTER: "dead_lettered",
    None: "unsettled",
}
#: Why messages were requeued, where it was neither RestartLater nor the environment, or discarded,
#: where it was not their queue's policy.
_WHY = {"retry": "retried", "continue": "continued", "expired": "expired", "cancelled": "cancelled"}
#: The outcomes of messages, as the metrics name them.
OUTCOMES = tuple(_OUTCOMES.values())


class SharedStats(Middleware):
    """A middleware whose counts every forked process sees.

    Times are the monotonic clock's, which is one for all processes of a host and takes no steps.

    :param queues: the names of the queues.
    :param processes: how many processes there are.
    :param threads: receivers at once in each, but of the queues *on_loop*: *coroutines* of these.
    :param generations: how many processes may share a place for a while, the old one and the
        new; the number of a process is that of its place, then plus that of all places.
    """

    def __init__(
        self,
        queues: Sequence[str],
        processes: int,
        threads: int = 1,
        generations: int = 1,
        *,
        coroutines: int = 0,
        on_loop: Collection[str] = (),
    ) -> None:
        self.queues = tuple(queues)
        self.processes = processes
        #: Of each queue: how many receivers of its kind run at once, and the queues of that kind.
        self._kinds = {
            queue: (
                coroutines if queue in on_loop else threads,
                [other for other in queues if (other in on_loop) == (queue in on_loop)],
            )
            for queue in queues
        }
        self._numbers = range(processes * generations)
        self._cells = Cells(len(self._numbers), len(FIELDS) * len(self.queues))
        self._lock = threading.Lock()
        #: Which of the processes this one is; set after the fork.
        self.process = 0

    def polled(self, registered: NamedQueue, received: int) -> None:
        """Count what was received, and note that the queue is polled."""
        self._add(registered, received=received)
        self._set(registered, polled_at=time.monotonic())

    def paused(self, registered: NamedQueue, pause: Pause | None) -> None:
        """Note whether the queue is paused; as polled when it is resumed, since it is soon."""
        by_breaker = pause is not None and pause.by_breaker
        self._set(
            registered,
            paused=float(pause is not None),
            by_breaker=float(by_breaker),
            polled_at=time.monotonic(),
        )

    @contextmanager
    def receiving(self, registered: NamedQueue, delivery: Delivery) -> Iterator[None]:
        """Count a receiver that runs, and note how long its message waited for it."""
        sent = sent_at(delivery.sqs_message)
        waited = max(0.0, time.time() - sent) if sent else 0.0
        self._set(registered, waited=waited, started_at=time.monotonic())
        # Of messages that are received together one stands for their receiver.
        context = current_message.get()
        runs = int(context is None or not context.place)
        self._add(registered, running=runs)
        self._note_full(registered.name)
        try:
            yield
        finally:
            self._note_full(registered.name)
            self._add(registered, running=-runs)

    def settled(self, settlement: Settlement) -> None:
        """Count what became of a message."""
        counts = {_OUTCOMES[settlement.action]: 1.0}
        if (why := _WHY.get(settlement.operation)) is not None:
            counts[why] = 1
        self._add(settlement.registered, seconds=settlement.seconds, **counts)

    def tripped(self, registered: NamedQueue, full_name: str, trip: Trip | None) -> None:
        """Count a breaker that opens, and note whether it is open."""
        self._add(registered, tripped=float(trip is not None))
        self._set(registered, open=float(trip is not None))

    def limited(self, registered: NamedQueue, full_name: str) -> None:
        """Count the times in which a rate let no more through."""
        self._add(registered, limited=1)

    def process_ended(self, process: int) -> None:
        """Nothing runs in it any more."""
        for queue in self.queues:
            for field in _OF_A_PROCESS:
                self._cells.set(process, self._column(queue, field), 0)

    def total(self, queue: str, field: str) -> float:
        """The sum of *field*, one of :data:`FIELDS`, over all processes."""
        return sum(self._cells.all(self._column(queue, field)))

    def waited(self, queue: str) -> float:
        """How long the latest message waited for its receiver, in seconds.

        The longest of all processes; nothing of one whose latest was started a while ago, and
        which has looked for others since.
        """
        return max(self._waited(process, queue) for process in self._numbers)

    def hand_over(self) -> None:
        """Note that another process takes this one's place now."""
        for queue in self.queues:
            column = self._column(queue, "handed_over_at")
            self._cells.set(self.process, column, time.monotonic())

    def of_place(self, place: int) -> Sequence[int]:
        """The numbers of the processes that may have a place."""
        return self._numbers[place :: self.processes]

    def polled_at(self, place: int, queue: str) -> float:
        """When a queue was last polled from a place, or that was handed over; 0: never."""
        fields = ("polled_at", "handed_over_at")
        return max(self.value(n, queue, field) for n in self.of_place(place) for field in fields)

    def _waited(self, process: int, queue: str) -> float:
        started_at = self.value(process, queue, "started_at")
        is_old = time.monotonic() - started_at > WAIT_KEPT
        if is_old and self.value(process, queue, "polled_at") > started_at:
            return 0.0
        return self.value(process, queue, "waited")

    def running(self, process: int) -> float:
        """How many receivers run in one process."""
        return sum(self.value(process, queue, "running") for queue in self.queues)

    def full_at(self, process: int, queue: str) -> float:
        """When one process last had no place free for a queue's messages; 0: never."""
        if self._is_full(process, queue):
            return time.monotonic()
        return self.value(process, self._kinds[queue][1][0], "full_at")

    def _note_full(self, queue: str) -> None:
        """Note that nobody is free now for such a queue, where it is so."""
        if queue in self._kinds and self._is_full(self.process, queue):
            column = self._column(self._kinds[queue][1][0], "full_at")
            self._cells.set(self.process, column, time.monotonic())

    def _is_full(self, process: int, queue: str) -> bool:
        places, queues = self._kinds[queue]
        return sum(self.value(process, each, "running") for each in queues) >= places

    def value(self, process: int, queue: str, field: str) -> float:
        """*field* of one process."""
        return self._cells.get(process, self._column(queue, field))

    def _add(self, registered: NamedQueue, **counts: float) -> None:
        # Others than the worker's own, which a receiver may receive from, do not count.
        if registered.name in self.queues:
            with self._lock:
                for field, count in counts.items():
                    self._cells.add(self.process, self._column(registered.name, field), count)

    def _set(self, registered: NamedQueue, **values: float) -> None:
        if registered.name in self.queues:
            with self._lock:
                for field, value in values.items():
                    self._cells.set(self.process, self._column(registered.name, field), value)

    def _column(self, queue: str, field: str) -> int:
        return self.queues.index(queue) * len(FIELDS) + FIELDS.index(field)
