"""Bench: how fast, and for how many requests, messages go through the project's SQS."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from django_sqs_kombu import RawMessage, ReceiverConsumer

from ..registry import DjangoReceivers
from .queues import Target

#: Dollars for a million requests to a standard queue, beyond the first million of a month.
DOLLARS_PER_MILLION = 0.40


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured.

    :param queue: the queue's name in SQS.
    :param messages: how many were sent, received and deleted, of *size* bytes each.
    :param send_seconds: how long sending took, and *receive_seconds* receiving.
    :param send_requests: requests for sending, and *receive_requests* for the rest.
    """

    queue: str
    messages: int
    size: int
    send_seconds: float
    receive_seconds: float
    send_requests: int
    receive_requests: int

    @property
    def requests_per_message(self) -> float:
        """All requests, for each message."""
        return (self.send_requests + self.receive_requests) / self.messages

    @property
    def dollars_per_million(self) -> float:
        """What a million messages cost in requests."""
        return self.requests_per_message * DOLLARS_PER_MILLION

    def as_dict(self) -> dict[str, Any]:
        """The same, for JSON."""
        return {
            **asdict(self),
            "requests_per_message": round(self.requests_per_message, 4),
            "dollars_per_million": round(self.dollars_per_million, 4),
        }


def measure(messages: int, size: int, threads: int) -> Measured:
    """Send messages to a new queue, receive them all, and delete the queue.

    It uses the project's settings, and none of its queues.

    :raises SQSError: SQS refused.
    """
    suffix = uuid4().hex[:8]
    with closing(DjangoReceivers()) as receivers:
        queue = receivers.register(
            "sqs-bench", lambda message: None, message_class=RawMessage, suffixes=[suffix]
        )
        target = Target(queue, suffix)
        name, requests = target.full_name, target.requests
        target.declare()
        requests.url(name)
        try:
            before = requests.made.total()
            started = time.monotonic()
            queue.send_many(("x" * size for _ in range(messages)), suffix)
            sent = time.monotonic()
            send_requests = requests.made.total() - before
            made = _receive(receivers, suffix, threads, messages)
            received = time.monotonic()
        finally:
            requests.call("DeleteQueue", name)
    return Measured(
        name, messages, size, sent - started, received - sent, send_requests, made.total()
    )


def _receive(receivers: DjangoReceivers, suffix: str, threads: int, messages: int) -> Counter[str]:
    consumer = _Consumer(receivers, suffix=suffix, threads=threads, message_limit=messages)
    consumer.run()
    return consumer.made


class _Consumer(ReceiverConsumer):
    """A consumer that notes the requests of its channels, the last ones included."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made: Counter[str] = Counter()

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803 - kombu's
        self.made = channel.requests.made
        return super().get_consumers(Consumer, channel)
