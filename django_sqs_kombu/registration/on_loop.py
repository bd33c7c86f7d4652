"""OnLoop: what makes a receiver run on an event loop that it shares with others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..messages.base import RawMessage
from ..working.coroutines import is_async


class OnLoop:
    """A registered queue whose receiver may be asynchronous."""

    receiver: Callable[[Any], Any] | None
    batch: int | None

    @property
    def runs_on_loop(self) -> bool:
        """Whether its receiver may run on an event loop that it shares with others."""
        return self.batch is None and is_async(self.receiver)

    def coroutine(self, message: RawMessage) -> Awaitable[Any]:
        """What is to be awaited for *message*, of a receiver that may run on a loop."""
        awaitable: Awaitable[Any] = self.receiver(message)  # type: ignore[misc]
        return awaitable
