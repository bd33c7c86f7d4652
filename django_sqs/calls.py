"""Calls: synchronous code of asynchronous receivers that run together, above all Django's ORM.

What ``sync_to_async`` calls thread-sensitive, as all of the ORM is, runs in a few threads that
last and keep their connections, one call of a message after the other.  All else that
receivers run in threads leaves no connection there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from threading import Condition
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import connections

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import repr_of
from django_sqs_kombu.transport import Threads
from django_sqs_kombu.working import (
    CANCEL_GRACE,
    MOST_CALLS,
    NotingExecutor,
    ThreadUpkeep,
    deadline,
    note_call,
)

from .connections import drop_all, leaving_no_connection
from .half_read import close_all, cursors_here
from .open_transactions import open_here

logger = get_logger(__name__)

#: Seconds that the end of a call is waited for, once its result is there.
LOOK = 1.0

Job = tuple["Future[Any]", Callable[[], Any]]


class CallLane(Executor):
    """Runs the calls of one message, one after the other, in any of the threads for calls.

    A call that leaves a transaction open keeps its thread for the calls that follow, until
    the transaction or the receiver ends.

    :param threads: the threads.
    :param around: makes a context around calls, in their thread.
    :param timeout: seconds from now after which a call is interrupted; None: never.
    """

    def __init__(
        self,
        threads: Threads,
        around: Callable[[], AbstractContextManager[None]],
        timeout: float | None,
    ) -> None:
        self._threads = threads
        self._around = around
        self._until = None if timeout is None else time.monotonic() + timeout + CANCEL_GRACE
        self._changed = Condition()
        self._jobs: deque[Job] = deque()
        #: The server-side cursors that its calls have opened and left.
        self._cursors: list[Any] = []
        #: The databases on which its thread waits within a transaction.
        self.within: list[str] = []
        #: Whether a thread runs its calls, or is about to.
        self._served = False
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call after those before it.

        :raises RuntimeError: the receiver has ended.
        """
        future: Future[Any] = Future()
        note_call(future)
        with self._changed:
            if self._closed:
                raise RuntimeError(
                    "The receiver that started this task has ended, and with it the thread for "
                    "its synchronous code. Await the task before the receiver returns"
                )
            self._jobs.append((future, partial(fn, *args, **kwargs)))
            self._changed.notify_all()
            served, self._served = self._served, True
        if not served:
            self._have_served()
        return future

    def close(self) -> None:
        """The receiver has ended: run none of what is left."""
        with self._changed:
            self._closed = True
            for future, _ in self._jobs:
                future.cancel()
            self._changed.notify_all()
            left, self._cursors = self._cursors, []
        if left:
            # It may wait for the end of another message's statement.
            with suppress(RuntimeError):
                self._threads.run(partial(close_all, left))

    def left_open(self) -> list[str]:
        """The databases on which calls that have ended left a transaction open."""
        with self._changed:
            # The thread of the last one may not have come to its end.
            self._changed.wait_for(lambda: self.within or not self._served, LOOK)
            return self.within

    def _have_served(self) -> None:
        try:
            self._threads.run(self._serve)
        except RuntimeError as exc:
            self._fail(
                EnvironmentFailure(f"No thread could be started for synchronous code: {exc}")
            )

    def _fail(self, error: Exception) -> None:
        """Nothing that waits can be run."""
        with self._changed:
            jobs, self._served = list(self._jobs), False
            self._jobs.clear()
        for future, _ in jobs:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

    # In a thread.

    def _serve(self) -> None:
        try:
            context = self._around()
            context.__enter__()
        except Exception as exc:  # noqa: BLE001 - a database that is away, say
            self._fail(EnvironmentFailure(f"A call could not be prepared: {repr_of(exc)}"))
            return
        before = cursors_here()
        try:
            while True:
                self._run(self._jobs.popleft())
                if not (within := open_here()) or not self._wait(within):
                    break
        finally:
            if here := cursors_here():
                self._leave_cursors([each for each in here if each not in before])
            try:
                context.__exit__(None, None, None)
            except Exception:
                logger.exception("Cleaning up after a receiver's call failed")
            self._leave()

    def _wait(self, within: list[str]) -> bool:
        """Wait for the next call within a transaction; return whether one comes."""
        with self._changed:
            self.within = within
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._jobs or self._closed)
            self.within = []
            return bool(self._jobs)

    def _leave_cursors(self, cursors: list[Any]) -> None:
        with self._changed:
            if not self._closed:
                # A call that follows may read on, in whichever thread.
                self._cursors += cursors
                return
        close_all(cursors)

    def _leave(self) -> None:
        # Between two calls those of other messages have their turn.
        with self._changed:
            self._served = bool(self._jobs)
            self._changed.notify_all()
        if self._served:
            self._have_served()

    def _run(self, job: Job) -> None:
        future, call = job
        if not future.set_running_or_notify_cancel():
            return
        left = None if self._until is None else max(self._until - time.monotonic(), 0.001)
        try:
            with deadline(left):
                result = call()
        except BaseException as exc:  # noqa: BLE001 - whatever a receiver's code may raise
            future.set_exception(exc)
        else:
            future.set_result(result)
        if self._until is not None and time.monotonic() >= self._until:
            # It may have been interrupted amid a query.
            drop_all()


#: What the calls of the present receiver run in.
_lane: ContextVar[CallLane | None] = ContextVar("lane", default=None)


def left_open() -> list[str]:
    """The databases on which the present receiver's calls left a transaction open."""
    lane = _lane.get()
    return [] if lane is None else lane.left_open()


class CallUpkeep(ThreadUpkeep):
    """Looks after the database connections of these threads."""

    def executor(self) -> ThreadPoolExecutor:
        """What runs calls that may run in any thread, and leaves no connection there."""
        return ClosingExecutor(MOST_CALLS, thread_name_prefix="sqs-loop-call")

    def leave(self) -> None:
        """Close the connections of a thread that ends."""
        connections.close_all()

    @contextmanager
    def around_coroutine(
        self,
        calls: Threads,
        around_call: Callable[[], AbstractContextManager[None]],
        timeout: float | None,
    ) -> Iterator[None]:
        """Have a receiver's thread-sensitive calls run in *calls*."""
        lane = CallLane(calls, around_call, timeout)
        # Where asgiref looks for the thread that they belong to.
        context = ThreadSensitiveContext()
        SyncToAsync.context_to_thread_executor[context] = lane
        token = SyncToAsync.thread_sensitive_context.set(context)
        own = _lane.set(lane)
        try:
            yield
        finally:
            _lane.reset(own)
            SyncToAsync.thread_sensitive_context.reset(token)
            lane.close()


class ClosingExecutor(NotingExecutor):
    """Threads for synchronous code that a receiver runs beside itself."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call, and close what it connects to."""
        return super().submit(leaving_no_connection, fn, *args, **kwargs)
