"""Flights: requests of one thread that are under way at once, each with messages."""

from __future__ import annotations

import contextvars
import queue as stdlib_queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...exceptions import RequestFailed
from ..sqs.send_requests import may_be_sent_again, unsent
from ..sqs.shield import ends_before_deadlines
from ..sqs.threads import Threads
from .dispatch import Dispatched, Entry, fate_of, send_batch
from .packing import Item

if TYPE_CHECKING:
    from ..sqs.requests import Requests

#: The most requests at once for one bulk send: over libcurl, and where each takes a thread.
MOST, MOST_IN_THREADS = 16, 4
#: How many there are until it is known how long one takes.
FIRST = 4
#: Of how many requests the fastest says how far SQS is away; the others may have waited for us.
REMEMBERED = 16
#: Seconds after which the wait for an answer looks around.
LOOK = 1.0

#: For what is tried again, and over botocore for all.
_threads = Threads("sqs-bulk")


@dataclass(eq=False, slots=True)
class Flight:
    """A request under way.

    :param began: when, on the monotonic clock.
    :ivar again: whether it was begun again, and how long it takes says nothing.
    """

    items: Sequence[Item]
    entries: list[Entry]
    began: float
    again: bool = False


#: A request, what came of it, and when.
_Answer = tuple[Flight, Any, float]


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a request."""

    items: Sequence[Item]
    result: Dispatched


class Flights:
    """The requests of one bulk send that are under way; for the thread that made it alone.

    Over libcurl they need no threads.  There are as many as hide how far SQS is away: while one
    is on its way, so many others can be prepared.

    :param parallel: how many there may be; None: as many as pay.
    """

    def __init__(self, requests: Requests, queue: str, parallel: int | None) -> None:
        self._requests = requests
        self._queue = queue
        self._parallel = parallel
        self._under_way: set[Flight] = set()
        # Written in C: whoever puts something in, is held up by nobody.
        self._answers: stdlib_queue.SimpleQueue[_Answer] = stdlib_queue.SimpleQueue()
        self._took: deque[float] = deque(maxlen=REMEMBERED)
        self._preparing = 0.0

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        under_way = len(self._under_way)
        if self._parallel is not None:
            return under_way < self._parallel
        if not self._took:
            return under_way < FIRST
        most = MOST if self._requests.begins_sending(self._queue) else MOST_IN_THREADS
        return under_way < most and under_way <= min(self._took) / max(self._preparing, 1e-6)

    def prepared(self, seconds: float) -> None:
        """Take note of how long the messages of one request took to be read and written."""
        self._preparing += (seconds - self._preparing) * (0.2 if self._preparing else 1.0)

    @ends_before_deadlines
    def begin(self, items: Sequence[Item]) -> None:
        """Send *items* in one request."""
        flight = Flight(items, [item.params for item in items], time.monotonic())
        self._under_way.add(flight)
        if self._requests.begins_sending(self._queue):
            self._requests.begin_send(self._queue, flight.entries, partial(self._answer, flight))
        else:
            self._in_thread(flight, partial(send_batch, self._requests, self._queue))

    def landed(self, *, wait: bool) -> list[Landed]:
        """What became of those that have ended.

        :param wait: for one, while there is one under way.
        """
        found: list[Landed] = []
        while self._under_way:
            try:
                block = wait and not found
                # Eventlet's queue takes no timeout where it is not to block.
                flight, answer, at = self._answers.get(block, LOOK if block else None)
            except stdlib_queue.Empty:
                if wait and not found:
                    continue
                break
            if (result := self._read(flight, answer, at)) is not None:
                self._under_way.discard(flight)
                found.append(Landed(flight.items, result))
        return found

    def _answer(self, flight: Flight, answer: Any) -> None:
        self._answers.put((flight, answer, time.monotonic()))

    def _read(self, flight: Flight, answer: Any, at: float) -> Dispatched | None:
        """What became of a request; None: it is under way again."""
        if not flight.again:
            self._took.append(at - flight.began)
        if isinstance(answer, Dispatched):
            return answer
        requests, queue, entries = self._requests, self._queue, flight.entries
        try:
            errors = requests.read_sent(queue, entries, answer)
        except RequestFailed as failure:
            if may_be_sent_again(failure):
                self._send_again(flight, partial(self._again, earlier=failure))
            elif len(entries) > 1:
                # One after another, perhaps.
                self._send_again(flight, partial(fate_of, requests, queue, failure=failure))
            else:
                return fate_of(requests, queue, entries, failure=failure)
            return None
        except RuntimeError:
            # There is no thread that waits for answers.
            self._send_again(flight, partial(send_batch, requests, queue))
            return None
        if unsent(entries, errors):
            self._send_again(flight, partial(self._again, earlier=errors))
            return None
        return Dispatched(errors)

    def _again(self, entries: list[Entry], *, earlier: Any) -> Dispatched:
        try:
            return Dispatched(self._requests.send_again(self._queue, entries, earlier))
        except RequestFailed as failure:
            return fate_of(self._requests, self._queue, entries, failure=failure)

    @ends_before_deadlines
    def _send_again(self, flight: Flight, send: Callable[[list[Entry]], Dispatched]) -> None:
        flight.again = True
        self._in_thread(flight, send)

    def _in_thread(self, flight: Flight, send: Callable[[list[Entry]], Dispatched]) -> None:
        def job() -> None:
            try:
                self._answer(flight, send(flight.entries))
            except BaseException as exc:  # noqa: BLE001 - whoever waits raises it
                self._answer(flight, exc)

        # So that a trace knows the request for its sender's.
        context = contextvars.copy_context()
        try:
            _threads.run(partial(context.run, job))
        except RuntimeError:
            # There is none: it is done here, and takes as long as it takes.
            job()
