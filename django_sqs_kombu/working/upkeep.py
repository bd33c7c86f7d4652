"""ThreadUpkeep: looks after the threads that run synchronous code for an event loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from ..transport.sqs.threads import Threads
from .calls_under_way import NotingExecutor
from .middleware import NOTHING

#: The most threads for calls that receivers make beside themselves (``asyncio.to_thread``).
MOST_CALLS = 32


class ThreadUpkeep:
    """What is there to be done around code in such threads; here nothing."""

    def executor(self) -> ThreadPoolExecutor:
        """What runs the calls of an event loop that may run in any thread."""
        return NotingExecutor(MOST_CALLS, thread_name_prefix="sqs-loop-call")

    def leave(self) -> None:
        """Called in a thread that lasted, before it ends."""

    def around_coroutine(
        self,
        calls: Threads,
        around_call: Callable[[], AbstractContextManager[None]],
        timeout: float | None,
    ) -> AbstractContextManager[None]:
        """A context around a receiver that runs on a loop, entered and left in any thread.

        :param calls: the threads for its calls that must not run in any thread.
        :param around_call: makes a context around such a call, in its thread.
        :param timeout: seconds that the receiver may take.
        """
        return NOTHING
