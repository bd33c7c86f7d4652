"""OnLoop: what makes a receiver run on an event loop that it shares with others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol, runtime_checkable

from ..messages.base import RawMessage
from ..working.coroutines import is_async


@runtime_checkable
class InSteps(Protocol):
    """A receiver, an object that can be called, which may run on a loop as well."""

    @property
    def on_loop(self) -> bool:
        """Whether it is to run there, where there is one."""

    def steps(self, message: RawMessage) -> Generator[Awaitable[Any], Any, Any]:
        """Receive *message*, in threads that may wait; what is yielded is awaited on the loop.

        What comes of that is sent in, or raised, where it was yielded.
        """


class OnLoop:
    """A registered queue whose receiver may be asynchronous."""

    receiver: Callable[[Any], Any] | None
    batch: int | None

    @property
    def runs_on_loop(self) -> bool:
        """Whether its receiver may run on an event loop that it shares with others."""
        if self.batch is not None:
            return False
        receiver: object = self.receiver
        return receiver.on_loop if isinstance(receiver, InSteps) else is_async(receiver)

    def steps(self, message: RawMessage) -> Generator[Awaitable[Any], Any, Any]:
        """Receive *message*, of a receiver that may run on a loop, as :meth:`InSteps.steps`."""
        receiver: object = self.receiver
        if isinstance(receiver, InSteps):
            return (yield from receiver.steps(message))
        awaitable: Awaitable[Any] = self.receiver(message)  # type: ignore[misc]
        return (yield awaitable)
