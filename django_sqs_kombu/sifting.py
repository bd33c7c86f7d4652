"""Sieve: receives the messages of a queue and yields those that are wanted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType

from .exceptions import SQSError
from .logs import get_logger
from .quotas import MAX_MESSAGES
from .transport.sqs.received import Message
from .transport.sqs.requests import Requests

logger = get_logger(__name__)

#: Seconds that messages are hidden from receivers while they are looked at.
HOLD = 60
#: Seconds after which those that are not wanted are hidden for longer.
RENEWED = HOLD / 3
#: As many are looked at: they are all hidden meanwhile, and a FIFO queue hides no more.
MOST_SIFTED = 20_000

Wanted = Callable[[Message], bool]


class Sieve:
    """A context manager; iterate over it inside the block, for lists of the wanted messages.

    SQS cannot search.  So messages are received, and those that are not wanted stay hidden until
    the end, since they would come again, and are then given back, visible at once.  If the process
    is killed, they are visible after :data:`HOLD` seconds.  All of them count as received.

    While a message of a FIFO queue is hidden, SQS delivers none behind it in its
    message group, apart from those in the same answer.  So only the beginning of each group is
    reached, up to the first messages that are not wanted.

    :param wanted: returns whether a message is wanted; called once for each.
    :param limit: stop after yielding this many.
    :param most: stop after looking at this many.
    """

    def __init__(
        self,
        requests: Requests,
        queue: str,
        wanted: Wanted,
        *,
        limit: int,
        most: int = MOST_SIFTED,
    ) -> None:
        self._requests = requests
        self._queue = queue
        self._wanted = wanted
        self._limit = limit
        self._most = most
        self._seen: set[str] = set()
        self._kept: dict[str, Message] = {}
        #: The ids of what is kept, and when each was hidden last; the oldest first.
        self._hidden: deque[tuple[float, str]] = deque()

    def __enter__(self) -> Sieve:
        """Find out whether there is such a queue; it is not created.

        :raises QueueDoesNotExist: there is none.
        """
        self._requests.existing_url(self._queue)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give back what was not wanted."""
        if self._kept:
            kept = list(self._kept.values())
            self._kept.clear()
            self._requests.release(self._queue, kept)

    def __iter__(self) -> Iterator[list[Message]]:
        """Lists of up to 10 messages, which are hidden for :data:`HOLD` seconds from now."""
        found = looked_at = 0
        while found < self._limit:
            if looked_at >= self._most:
                logger.warning("Stopped after looking at %d messages of %s", looked_at, self._queue)
                return
            messages = self._requests.receive(self._queue, MAX_MESSAGES, 1, HOLD)
            if not messages:
                return
            looked_at += len(messages)
            chosen = self._choose(messages, self._limit - found)
            found += len(chosen)
            if chosen:
                yield chosen
            self._renew()

    def _choose(self, messages: list[Message], most: int) -> list[Message]:
        """The wanted ones of *messages*, which are the caller's; the others are kept."""
        chosen: list[Message] = []
        now = time.monotonic()
        # First of all, so that they are given back whatever is raised.
        for message in messages:
            # Their bodies could be large, and there may be thousands.
            self._kept[message["MessageId"]] = _handle(message)
            self._hidden.append((now, message["MessageId"]))
        for message in messages:
            if message["MessageId"] in self._seen:
                # Not twice, as where a message that was moved could not be deleted.
                continue
            self._seen.add(message["MessageId"])
            if len(chosen) < most and self._wanted(message):
                chosen.append(message)
        for message in chosen:
            del self._kept[message["MessageId"]]
        return chosen

    def _renew(self) -> None:
        """Hide for longer what would become visible soon."""
        before = time.monotonic() - RENEWED
        while self._hidden and self._hidden[0][0] < before:
            due = [self._hidden.popleft()[1] for _ in range(min(MAX_MESSAGES, len(self._hidden)))]
            batch = {each: self._kept[each] for each in due if each in self._kept}
            if not batch:
                continue
            self._hidden.extend((time.monotonic(), each) for each in batch)
            try:
                held = list(batch.values())
                self._requests.change_visibility_batch(self._queue, held, [HOLD] * len(held))
            except SQSError as exc:
                logger.warning("Messages of %s may be looked at twice: %s", self._queue, exc)


def _handle(message: Message) -> Message:
    """What is needed to give a message back."""
    return {name: message[name] for name in ("MessageId", "ReceiptHandle")}
