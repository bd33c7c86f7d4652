"""Runs asynchronous receivers, each thread on an event loop of its own that stays."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable
from typing import Any

from ..exceptions import EnvironmentFailure, TimedOut
from ..odd import sound
from .calls_under_way import NotingExecutor, lend, waiting_for_calls
from .deadline import LONGEST, deadline
from .loop_time import new_event_loop

#: Seconds that a receiver which is cancelled for its timeout may take to end, after each time.
CANCEL_GRACES = (0.5, 0.3)
#: Seconds after which one that blocks its event loop is interrupted.
CANCEL_GRACE = 1.0


#: In a forked child: the loops of its parent's other threads. Kept, since a loop that is let go
#: is closed, and the parent's would not be woken any more: they share what both wait with.
_parents: list[asyncio.AbstractEventLoop] = []


class _ThreadLoop:
    """The event loop of a thread, which is closed when the thread ends."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self.loop = new_event_loop()
        lend(NotingExecutor(thread_name_prefix="sqs-loop-call"), self.loop)

    def __del__(self) -> None:
        if self._process == os.getpid():
            self.loop.close()
        else:
            _parents.append(self.loop)


class _Local(threading.local):
    kept: _ThreadLoop | None = None


_local = _Local()


def run_in_thread_loop(receiver: Awaitable[Any], timeout: float | None) -> Any:
    """Run *receiver* to its end and return what it returns.

    The loop lives as long as the thread, so that a client that is bound to a loop, such
    as an HTTP session, serves many messages.

    :param timeout: seconds; then the receiver is cancelled.  One that blocks the loop
        instead of awaiting is interrupted a second later, as a synchronous one.
    :raises TimedOut: it took longer.
    :raises EnvironmentFailure: another loop runs in this thread.
    """
    refuse_within_loop(receiver)
    with waiting_for_calls():
        return _run_in_thread_loop(receiver, timeout)


def _run_in_thread_loop(receiver: Awaitable[Any], timeout: float | None) -> Any:
    if _local.kept is None or _local.kept.loop.is_closed():
        _local.kept = _ThreadLoop()
    loop = _local.kept.loop
    task = loop.create_task(within(receiver, timeout))
    try:
        with deadline(timeout and timeout + CANCEL_GRACE):
            return loop.run_until_complete(task)
    except LeftBehind:
        # It would go on beside the next message.
        _close(loop)
        raise
    finally:
        if not task.done():
            # It was interrupted amid a step: the next message gets another loop.
            _close(loop)


def refuse_within_loop(receiver: Awaitable[Any]) -> None:
    """Refuse to run *receiver* where this thread runs an event loop, which would stand still.

    :raises EnvironmentFailure: it does.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if inspect.iscoroutine(receiver):
        # Nobody awaits it.
        receiver.close()
    raise EnvironmentFailure(
        "An asynchronous receiver cannot run in a thread whose event loop is running. Call what "
        "receives from synchronous code, or in a thread: await asyncio.to_thread(...)"
    )


def is_async(receiver: object) -> bool:
    """Whether a receiver is written as ``async def``, so that calling it runs nothing of it."""
    call = getattr(receiver, "__call__", None)  # noqa: B004 - an object's, which may be async
    return inspect.iscoroutinefunction(receiver) or inspect.iscoroutinefunction(call)


class LeftBehind(TimedOut):
    """An asynchronous receiver ran too long, and does not end although it was cancelled."""


async def within(receiver: Awaitable[Any], timeout: float | None) -> Any:
    """Await *receiver*; cancel it after *timeout* seconds.

    :raises TimedOut: it took longer.
    :raises LeftBehind: it did, and does not end.
    """
    task = asyncio.ensure_future(receiver)
    limit = None if timeout is None or not timeout < LONGEST else timeout
    await asyncio.wait({task}, timeout=limit)
    if task.done():
        try:
            return task.result()
        except BaseException as exc:
            # A loop that looks at one that is odd fails, and never ends.
            if (known := sound(exc)) is exc:
                raise
            raise known from None
    # A second time, since the first may be lost in a bare except; between them it may clean up.
    for grace in CANCEL_GRACES:
        task.cancel()
        await asyncio.wait({task}, timeout=grace)
        if task.done():
            # What else it raised, while it was cancelled, has been looked at.
            task.cancelled() or task.exception()
            raise TimedOut(timeout)
    raise LeftBehind(timeout)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    _local.kept = None
    loop.close()
