"""ReceiverLoop: the lasting event loop of a thread that runs asynchronous receivers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from asgiref.sync import SyncToAsync, async_to_sync

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.new_threads import start_thread
from django_sqs_kombu.working import (
    CANCEL_GRACE,
    LeftBehind,
    deadline,
    lend,
    new_event_loop,
    refuse_within_loop,
    waiting_for_calls,
    within,
)

from .calls import ClosingExecutor

_NOTHING = object()


class ReceiverLoop:
    """An event loop in a thread of its own, which serves one receiving thread.

    It lasts, so that a client that is bound to a loop, such as an HTTP session, serves many
    messages.  Synchronous code that a receiver awaits, Django's database code above all, runs
    in the receiving thread, on its connections.

    :raises EnvironmentFailure: no thread can be started.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._spoiled = False
        self._loop = new_event_loop()
        lend(ClosingExecutor(thread_name_prefix="sqs-loop-call"), self._loop)
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="sqs-loop")
        # One that a receiver blocks must not keep the process.
        self._thread.daemon = True
        try:
            start_thread(self._thread)
        except RuntimeError as exc:
            self._loop.close()
            raise EnvironmentFailure(
                f"No thread could be started for an event loop: {exc}"
            ) from exc

    def __del__(self) -> None:
        # With the receiving thread.
        self.stop()

    @property
    def usable(self) -> bool:
        """Whether it runs, in this process, and nothing on it was left behind."""
        here = self._process == os.getpid()
        return here and not self._spoiled and self._thread.is_alive()

    def run(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Await what a receiver returned; return what comes of it.

        :param timeout: seconds; then the receiver is cancelled, and one that blocks the loop
            is left behind with it a second later, where this is the main thread.
        :raises TimedOut: it took longer.
        """
        ended = False

        async def to_its_end() -> Any:
            nonlocal ended
            try:
                value = await within(awaitable, timeout)
            except LeftBehind:
                raise
            except BaseException:
                ended = True
                raise
            ended = True
            return value

        # Where asgiref looks for the loop that code in this thread belongs to.  Without, it
        # makes a loop, with threads that keep their connections, for each call.
        local = SyncToAsync.threadlocal
        names = ("main_event_loop", "main_event_loop_pid")
        before = [getattr(local, name, _NOTHING) for name in names]
        local.main_event_loop, local.main_event_loop_pid = self._loop, self._process
        try:
            with deadline(timeout and timeout + CANCEL_GRACE):
                return async_to_sync(to_its_end)()
        finally:
            # It would go on beside the next message.
            self._spoiled = self._spoiled or not ended
            for name, value in zip(names, before, strict=True):
                delattr(local, name) if value is _NOTHING else setattr(local, name, value)

    def stop(self) -> None:
        """End it; what still runs on it is cancelled."""
        if self._process == os.getpid():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _Local(threading.local):
    loop: ReceiverLoop | None = None


_local = _Local()


def run_in_receiver_loop(awaitable: Awaitable[Any], timeout: float | None) -> Any:
    """Await what a receiver returned, on this thread's loop; see :meth:`ReceiverLoop.run`.

    :raises EnvironmentFailure: another loop runs in this thread.
    """
    refuse_within_loop(awaitable)
    loop = _local.loop
    if loop is None or not loop.usable:
        loop = _local.loop = ReceiverLoop()
    try:
        with waiting_for_calls():
            return loop.run(awaitable, timeout)
    finally:
        if not loop.usable:
            loop.stop()
