"""ReceiverProxy: what a decorated receiver becomes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, overload

from ..exceptions import NoReceiver
from ..unpack import Unpack
from ..working.tickets import Ticket
from .keywords import SendKeywords


class SendingQueue(Protocol):
    """What a proxy needs of the queue that it sends to."""

    @property
    def name(self) -> str:
        """The queue's name, without prefix and suffix."""

    @property
    def receiver(self) -> Callable[[Any], Any] | None:
        """What was decorated."""

    def send(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send a message."""

    async def asend(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send a message from asynchronous code."""


#: What Celery's tasks have, and nothing here: who comes from there writes it out of habit.
_OF_CELERY = frozenset({"apply_async", "delay", "s", "si", "signature"})


def no_attribute(owner: object, name: str, instead: Callable[[], str]) -> AttributeError:
    """The error for an attribute that *owner* does not have.

    :param instead: says what to do in place of what Celery's tasks have.
    """
    text = f"{type(owner).__name__!r} object has no attribute {name!r}"
    return AttributeError(instead() if name in _OF_CELERY else text, name=name, obj=owner)


M = TypeVar("M")
#: A message of those that a receiver of batches takes.
One = TypeVar("One")
R = TypeVar("R")
Queue = TypeVar("Queue", bound=SendingQueue, covariant=True)


class ReceiverProxy(Generic[M, R, Queue]):
    """What a decorated receiver becomes: calling it sends a message to its queue.

    Its type parameters are the message that the function takes, the function's return type, and
    the queue's class.  A receiver of batches takes a list of messages, and is called with one.

    :ivar direct: the decorated function itself; for a queue that is only for sending, it raises
        :class:`NoReceiver`.
    :ivar registered_queue: its :class:`RegisteredQueue`.
    """

    def __init__(self, registered_queue: Queue) -> None:
        self.registered_queue = registered_queue
        receiver = registered_queue.receiver
        self.direct: Callable[[M], R] = self._no_receiver if receiver is None else receiver
        functools.update_wrapper(self, receiver or registered_queue.send)

    def _no_receiver(self, message: M) -> NoReturn:
        raise NoReceiver(self.registered_queue.name)

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
        """Send *message*, or one built from the keyword arguments; see RegisteredQueue.send."""
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
        """Send from asynchronous code; see RegisteredQueue.asend."""
        return await self.registered_queue.asend(message, suffix, **options)

    if not TYPE_CHECKING:
        # A type checker would take it that a proxy has every attribute.
        def __getattr__(self, name: str) -> NoReturn:
            def instead() -> str:
                queue, receiver = self.registered_queue.name, getattr(self, "__name__", "receiver")
                return (
                    f"The receiver of queue {queue!r} is not a Celery task and has no {name}(). To "
                    f"send a message, call the receiver itself, as in {receiver}(body=...); "
                    "options such as delay= are keyword arguments of the same call"
                )

            raise no_attribute(self, name, instead)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of queue {self.registered_queue.name!r}>"
