"""Gathering: messages of a queue whose receiver gets several at once, until there are enough."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import kombu

from ..transport.delivery import Delivery
from ..transport.sqs.wire.reactor import Timer, reactor
from .registered import Registered

#: Bytes of bodies with which a batch is full, however few messages it has.
MOST_BYTES = 32 * 1024 * 1024
#: A batch that took no more seconds lets another one be gathered while all threads have work.
QUICK = 10.0


@dataclass(slots=True, eq=False)
class Gathered:
    """Messages that are to be received at once.

    :ivar started_at: when, on the monotonic clock.
    """

    registered: Registered
    queue: kombu.Queue
    deliveries: list[Delivery]
    started_at: float = 0.0


class Gathering:
    """What is gathered of one queue, and its batches that run; safe to use from any thread.

    :param size: of a batch, in messages.
    :param free: returns how many threads are free.
    :param wake: has the consumer look.
    :param holds_back: returns whether nothing is gathered while all threads have work.
    """

    def __init__(
        self,
        registered: Registered,
        queue: kombu.Queue,
        size: int,
        free: Callable[[], int],
        wake: Callable[[], None],
        holds_back: Callable[[], bool] = lambda: False,
    ) -> None:
        self.registered = registered
        self._queue = queue
        self._size = size
        self._free = free
        self._wake = wake
        self._holds_back = holds_back
        #: Guards what is gathered; what runs is written by whoever starts and ends it.
        self._lock = threading.Lock()
        #: Each with the time since when it waits.
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self._bytes = 0
        self._timer: Timer | None = None
        self._running: set[Gathered] = set()
        #: Seconds that the latest batch took; None: none has ended.
        self._took: float | None = None
        self._left = False
        #: Whether the queue is paused: then nothing of it starts.
        self._paused = False

    def __len__(self) -> int:
        return len(self._waiting)

    def places(self) -> int:
        """How many more messages may come: for who is free, and if all is quick one batch ahead.

        It takes no lock, since it is called with that of the table taken.
        """
        batches = self._free_batches()
        if batches <= 0:
            quick = self._took is not None and self._took <= QUICK
            batches = int(quick and not self._holds_back())
        return batches * self._size - len(self._waiting)

    def _free_batches(self) -> int:
        free = self._free()
        most = self.registered.concurrency
        return free if most is None else min(free, most - len(self._running))

    def add(self, delivery: Delivery) -> int:
        """A message has come; return how many more fit into a batch with it."""
        now = time.monotonic()
        with self._lock:
            self._waiting.append((now, delivery))
            self._bytes += _size(delivery)
            self._look_later()
            return self._size - len(self._waiting)

    def take(
        self, now: float, *, alone: bool, left: float, hurries: Callable[[], bool]
    ) -> Gathered | None:
        """The next batch, if its time has come and its receiver may run.

        :param alone: whether each message is to be a batch of its own.
        :param left: seconds that it may take: what took longer the last time is not begun.
        :param hurries: returns whether no further message is to be waited for.
        """
        if not self._waiting or self._paused or self._free_batches() <= 0:
            return None
        if left <= (self._took or 0.0):
            return None
        if not (alone or self._is_due(now) or hurries()):
            return None
        with self._lock:
            taken = self._pop(1 if alone else self._size)
            self._look_later()
        if not taken:
            return None
        gathered = Gathered(self.registered, self._queue, taken, now)
        self._running.add(gathered)
        return gathered

    def _is_due(self, now: float) -> bool:
        with self._lock:
            if len(self._waiting) >= self._size or self._bytes >= MOST_BYTES:
                return True
            return bool(self._waiting) and self._is_overdue(now)

    def _pop(self, most: int) -> list[Delivery]:
        taken: list[Delivery] = []
        while self._waiting and len(taken) < most:
            _, delivery = self._waiting.popleft()
            self._bytes -= _size(delivery)
            taken.append(delivery)
        return taken

    def _look_later(self) -> None:
        """Have the consumer look when the first message has waited for long enough."""
        if self._waiting and self._timer is None:
            self._timer = reactor.at(self._waiting[0][0] + self.registered.wait, self._ring)

    def _ring(self) -> None:
        with self._lock:
            self._timer = None
            due = bool(self._waiting) and self._is_overdue(time.monotonic())
            if not due:
                # The one that it was for has been taken.
                self._look_later()
        if due:
            self._wake()

    def _is_overdue(self, now: float) -> bool:
        return now >= self._waiting[0][0] + self.registered.wait

    def running(self) -> list[Gathered]:
        """The batches that run."""
        return list(self._running)

    def ended(self, gathered: Gathered) -> None:
        """A batch does not run any more."""
        self._took = time.monotonic() - gathered.started_at
        self._running.discard(gathered)
        if self._waiting:
            self._wake()

    def leave(self) -> None:
        """Have what is gathered given back."""
        if self._waiting:
            self._left = True
            self._wake()

    def pause(self, *, paused: bool) -> None:
        """The queue is paused, or resumed."""
        self._paused = paused
        if self._waiting:
            self._wake()

    def take_left(self, *, everything: bool, polled: Callable[[], bool]) -> list[Delivery]:
        """What is to be given back, or *everything*; it is nobody's then.

        :param polled: returns whether a poll of the queue is under way.  What a pause leaves is
            given back after it: it would bring that again, which counts as one more receive.
        """
        if not (everything or self._left or (self._waiting and self._paused and not polled())):
            return []
        self._left = False
        with self._lock:
            return self._pop(len(self._waiting))


def _size(delivery: Delivery) -> int:
    return len(delivery.sqs_body)
