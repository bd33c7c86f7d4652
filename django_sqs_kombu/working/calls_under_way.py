"""CallsUnderWay: what a receiver calls in threads, where it may outlast the receiver."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Lock
from typing import Any

from ..logs import get_logger
from .context import MessageContext, current_message

logger = get_logger(__name__)

#: Seconds after the end of a receiver, or its cancelling, until the log says that some of it runs.
SAY = 2.0
#: Why a message is held.
CALL_RUNS = "a call that it made in a thread is still running"
#: Until when, on the monotonic clock, a thread waits for such calls: a process that is killed
#: then, as Lambda does it, would lose what else it has done.
waits_until: ContextVar[float] = ContextVar("waits_until", default=math.inf)

#: Those of the present receiver; the tasks that it makes have them, too.
calls_under_way: ContextVar[CallsUnderWay | None] = ContextVar("calls_under_way", default=None)


class CallsUnderWay:
    """The calls of one receiver that have not ended; safe to use from any thread.

    A receiver that is cancelled leaves its call, which nobody can end: another attempt must not
    begin beside it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: set[Future[Any]] = set()

    def note(self, call: Future[Any]) -> None:
        """Take note of a call, until it ends."""
        with self._lock:
            self._calls.add(call)
        call.add_done_callback(self._discard)

    def end(self, then: Callable[[], None]) -> int:
        """Begin none that waits for a thread; call *then* when the others have ended.

        :param then: called in any thread; here, where there are none.
        :returns: how many have not ended.
        """
        with self._lock:
            calls = list(self._calls)
        running = [call for call in calls if not call.cancel()]
        left = len(running)

        def ended(_: object = None) -> None:
            nonlocal left
            with self._lock:
                left -= 1
                is_last = left == 0
            if is_last:
                then()

        for call in running:
            call.add_done_callback(ended)
        if not running:
            then()
        return len(running)

    def _discard(self, call: Future[Any]) -> None:
        with self._lock:
            self._calls.discard(call)


def note_call(call: Future[Any]) -> None:
    """Take note of a call of the present receiver, if there is one."""
    if (calls := calls_under_way.get()) is not None:
        calls.note(call)


def say_held(message: MessageContext | None, why: str) -> None:
    """Say in the log that a message is held though its receiver should have ended."""
    if message is not None:
        logger.warning(
            "Message %s of queue %s: its receiver should have ended, but %s: the message is held "
            "until that ends, and not tried again meanwhile",
            message.message_id,
            message.queue,
            why,
        )


def _seconds_left() -> float:
    return max(0.0, waits_until.get() - time.monotonic())


@contextmanager
def waiting_for_calls() -> Iterator[None]:
    """Run a receiver; where it fails, wait for the end of the calls that it has left."""
    calls = CallsUnderWay()
    token = calls_under_way.set(calls)
    try:
        yield
    # Not Ctrl-C, which ends the process.
    except (Exception, asyncio.CancelledError, SystemExit):
        over = Event()
        calls.end(over.set)
        if not over.wait(min(SAY, _seconds_left())) and (left := _seconds_left()):
            say_held(current_message.get(), CALL_RUNS)
            over.wait(None if left == math.inf else left)
        raise
    finally:
        calls_under_way.reset(token)


def lend(executor: ThreadPoolExecutor, loop: asyncio.AbstractEventLoop) -> None:
    """Have *loop*, on which one receiver after another runs, make their calls in *executor*."""
    loop.set_default_executor(executor)
    # Whoever shut it down would leave the loop without one: asyncio takes no other after it.
    loop.shutdown_default_executor = _refuse  # type: ignore[method-assign]


async def _refuse(timeout: float | None = None) -> None:
    raise RuntimeError(
        "shutdown_default_executor() is not for receivers: the event loop goes on, and the "
        "receivers of other messages make calls in its threads. Leave it out; asyncio.to_thread() "
        "is waited for where it is awaited."
    )


class NotingExecutor(ThreadPoolExecutor):
    """Threads for the calls that receivers on an event loop make beside themselves."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call, which is the present receiver's."""
        call = super().submit(fn, *args, **kwargs)
        note_call(call)
        return call
