"""ReceiverProxy: what a decorated receiver of a project becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, overload

from django_sqs_kombu import registration as base
from django_sqs_kombu.unpack import Unpack
from django_sqs_kombu.working import Ticket

from .keywords import SendKeywords


class SendingQueue(base.SendingQueue, Protocol):
    """What a proxy needs of the queue that it sends to."""

    def send(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send a message."""

    async def asend(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send a message from asynchronous code."""


M = TypeVar("M")
#: A message of those that a receiver of batches takes.
One = TypeVar("One")
R = TypeVar("R")
Queue = TypeVar("Queue", bound=SendingQueue, covariant=True)


class ReceiverProxy(base.ReceiverProxy[M, R, Queue]):
    """As django_sqs_kombu's, for a queue that knows of transactions and rows."""

    @overload
    def __call__(
        self: ReceiverProxy[list[One], R, Queue],
        message: One | None = None,
        suffix: str | None = None,
        **options: Unpack[SendKeywords],
    ) -> Ticket: ...

    @overload
    def __call__(
        self: ReceiverProxy[Sequence[One], R, Queue],
        message: One | None = None,
        suffix: str | None = None,
        **options: Unpack[SendKeywords],
    ) -> Ticket: ...

    @overload
    def __call__(
        self, message: M | None = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket: ...

    def __call__(
        self, message: Any = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send *message*, or one built from the keyword arguments; see DjangoQueue.send."""
        return self.registered_queue.send(message, suffix, **options)

    @overload
    async def asend(
        self: ReceiverProxy[list[One], R, Queue],
        message: One | None = None,
        suffix: str | None = None,
        **options: Unpack[SendKeywords],
    ) -> Ticket: ...

    @overload
    async def asend(
        self: ReceiverProxy[Sequence[One], R, Queue],
        message: One | None = None,
        suffix: str | None = None,
        **options: Unpack[SendKeywords],
    ) -> Ticket: ...

    @overload
    async def asend(
        self, message: M | None = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket: ...

    async def asend(
        self, message: Any = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send from asynchronous code; see DjangoQueue.asend."""
        return await self.registered_queue.asend(message, suffix, **options)
