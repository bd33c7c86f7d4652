"""ReceiverProxy: what a decorated receiver becomes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from ..messages.base import RawMessage


class SendingQueue(Protocol):
    """What a proxy needs of the queue that it sends to."""

    @property
    def name(self) -> str:
        """The queue's name, without prefix and suffix."""

    @property
    def receiver(self) -> Callable[[Any], Any] | None:
        """What was decorated."""

    def send(
        self, message: RawMessage | None = None, suffix: str | None = None, **options: Any
    ) -> None:
        """Send a message."""

    async def asend(
        self, message: RawMessage | None = None, suffix: str | None = None, **options: Any
    ) -> None:
        """Send a message from asynchronous code."""


Queue = TypeVar("Queue", bound=SendingQueue)


class ReceiverProxy(Generic[Queue]):
    """What a decorated receiver becomes: calling it sends a message to its queue.

    :ivar direct: the decorated function itself.
    :ivar registered_queue: its :class:`RegisteredQueue`.
    """

    def __init__(self, registered_queue: Queue) -> None:
        self.registered_queue = registered_queue
        self.direct = registered_queue.receiver
        functools.update_wrapper(self, self.direct or registered_queue.send)

    def __call__(
        self, message: RawMessage | None = None, suffix: str | None = None, **kwargs: Any
    ) -> None:
        """Send *message*, or one built from the keyword arguments; see RegisteredQueue.send."""
        self.registered_queue.send(message, suffix, **kwargs)

    async def asend(
        self, message: RawMessage | None = None, suffix: str | None = None, **kwargs: Any
    ) -> None:
        """Send from asynchronous code; see RegisteredQueue.asend."""
        await self.registered_queue.asend(message, suffix, **kwargs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of queue {self.registered_queue.name!r}>"
