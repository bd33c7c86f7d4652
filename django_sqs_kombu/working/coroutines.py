"""Runs asynchronous receivers, each thread on an event loop of its own that stays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

from ..exceptions import TimedOut
from .deadline import deadline

#: Seconds that a receiver which is cancelled for its timeout may take to end.
CANCEL_GRACE = 1.0


class _Local(threading.local):
    loop: asyncio.AbstractEventLoop | None = None


_local = _Local()


def run_in_thread_loop(receiver: Awaitable[Any], timeout: float | None) -> Any:
    """Run *receiver* to its end and return what it returns.

    The loop lives as long as the thread, so that a client that is bound to a loop, such
    as an HTTP session, serves many messages.

    :param timeout: seconds; then the receiver is cancelled.  One that blocks the loop
        instead of awaiting is interrupted a second later, as a synchronous one.
    :raises TimedOut: it took longer.
    """
    if _local.loop is None or _local.loop.is_closed():
        _local.loop = asyncio.new_event_loop()
    loop = _local.loop
    task = loop.create_task(within(receiver, timeout))
    try:
        with deadline(timeout and timeout + CANCEL_GRACE):
            return loop.run_until_complete(task)
    finally:
        if not task.done():
            # It was interrupted amid a step: the next message gets another loop.
            _local.loop = None
            loop.close()


async def within(receiver: Awaitable[Any], timeout: float | None) -> Any:
    """Await *receiver*; cancel it after *timeout* seconds.

    :raises TimedOut: it took longer.
    """
    task = asyncio.ensure_future(receiver)
    await asyncio.wait({task}, timeout=timeout)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_GRACE / 2)
        raise TimedOut(timeout)
    return task.result()
