"""LastingLoop: the event loop, in a thread of its own, that many receivers share."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ..exceptions import EnvironmentFailure
from ..logs import get_logger
from ..new_threads import start_thread
from ..transport.sqs.shield import Shield, shield
from .calls_under_way import lend
from .loop_time import new_event_loop as new_usual_loop

logger = get_logger(__name__)

#: Seconds that what is left on a loop may take to end with it.
END_TIMEOUT = 2.0


class LastingLoop:
    """An event loop that runs from :meth:`start` to :meth:`stop`; uvloop's where it is installed.

    :param executor: for what receivers run in threads (``asyncio.to_thread``).
    """

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._stopping = False
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-loop", daemon=True)
        self.loop: asyncio.AbstractEventLoop = new_event_loop()

    def start(self) -> None:
        """Start the thread.

        :raises EnvironmentFailure: there is none to be had.
        """
        try:
            start_thread(self._thread)
        except RuntimeError as exc:
            self.loop.close()
            raise EnvironmentFailure(
                f"No thread could be started for an event loop: {exc}"
            ) from exc
        self._started.wait()

    @property
    def ident(self) -> int:
        """The thread's identity."""
        return self._thread.ident or 0

    def call(
        self, call: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> None:
        """Call *call* in the loop's thread; from any thread.

        :raises RuntimeError: it has ended.
        """
        self.loop.call_soon_threadsafe(call, *args, context=context)

    def stop(self) -> None:
        """End it; what still runs on it is cancelled.  One that is blocked is left to itself."""
        self._stopping = True
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(2 * END_TIMEOUT)
            if self._thread.is_alive():
                logger.error("The event loop is blocked and does not end")

    # In its thread.

    def _run(self) -> None:
        loop = self.loop
        asyncio.set_event_loop(loop)
        lend(self._executor, loop)
        self.shield: Shield = shield()
        loop.call_soon(self._started.set)
        try:
            while not self._stopping:
                try:
                    loop.run_forever()
                except BaseException:
                    # Such as the SystemExit of a task that a receiver left running.
                    logger.exception("Code on the event loop tried to stop it; it keeps running")
        finally:
            self._started.set()
            self._close()

    def _close(self) -> None:
        loop = self.loop
        try:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=END_TIMEOUT))
            loop.run_until_complete(loop.shutdown_asyncgens())
        except BaseException:
            logger.exception("What was left on the event loop did not end cleanly")
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)
            asyncio.set_event_loop(None)
            loop.close()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's where that is installed."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return new_usual_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
