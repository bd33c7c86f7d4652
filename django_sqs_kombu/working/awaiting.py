"""Awaiting: one asynchronous receiver that runs on an event loop beside others."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..exceptions import EnvironmentFailure, TimedOut
from ..odd import sound
from .calls_under_way import CALL_RUNS, SAY, CallsUnderWay, calls_under_way, say_held
from .context import current_message
from .coroutines import CANCEL_GRACE, CANCEL_GRACES, LeftBehind
from .cut_off import CutOff
from .deadline import LONGEST
from .forks import end_child

#: Seconds from one cancelling to the next of a receiver that does not end.
INTERVAL = 1.0

#: What runs now; the tasks that a receiver makes have it, too.
_running: ContextVar[Awaiting | None] = ContextVar("running", default=None)
#: By the task that each receiver is, until that has ended.
_by_task: dict[asyncio.Task[Any], Awaiting] = {}


def awaiting_of(task: asyncio.Task[Any]) -> Awaiting | None:
    """The receiver that a task is of, as far as that is known; from any thread."""
    if hasattr(task, "get_context"):
        # New in Python 3.12.
        found: Awaiting | None = task.get_context().get(_running)
        return found
    return _by_task.get(task)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a receiver ended.

    :param value: what it returned.
    :param raised: what it raised, or why it was cancelled; None: it returned.
    """

    value: Any = None
    raised: BaseException | None = None


class Awaiting:
    """Awaits what a receiver returned; all but the constructor in the loop's thread.

    :param awaitable: it.
    :param timeout: seconds after which it is cancelled; None: it may take any time.
    :param lost: returns for how many seconds the loop was blocked in all: such time is nobody
        else's fault, so it does not count.
    :param then: called when it has ended: until then its message is held, so that no other attempt
        begins beside this one.  Also when it does not end, and the process does.
    :param gone: called when nothing of it runs any more.
    """

    def __init__(
        self,
        awaitable: Awaitable[Any],
        timeout: float | None,
        *,
        lost: Callable[[], float],
        then: Callable[[Ended], None],
        gone: Callable[[], None],
    ) -> None:
        self._awaitable = awaitable
        self._timeout = None if timeout is None or not timeout < LONGEST else timeout
        self._lost = lost
        self._then: Callable[[Ended], None] | None = then
        self._gone = gone
        self._timer: asyncio.TimerHandle | None = None
        self._cancelled = 0
        self._timed_out = self._cut_off = self._started = False
        self._calls = CallsUnderWay()
        #: How it ended, while a call that it has made in a thread still runs.
        self._outlasted: Ended | None = None

    def start(self) -> None:
        """Start it, in the current context."""
        _running.set(self)
        calls_under_way.set(self._calls)
        #: Whose receiver it is.
        self.message = current_message.get()
        self._began, self._lost_before = time.monotonic(), self._lost()
        self._loop = asyncio.get_running_loop()
        self.task = self._loop.create_task(_to_its_end(self._awaitable, os.getpid()))
        _by_task[self.task] = self
        self.task.add_done_callback(self._done)
        self._started = True
        if self._cut_off:
            self._cancel()
        elif self._timeout is not None:
            self._timer = self._loop.call_later(self._timeout, self._time_out)

    @property
    def overdue(self) -> bool:
        """Whether it should have been cancelled a while ago; from any thread."""
        return self._timeout is not None and self._left() < -CANCEL_GRACE

    def cut_off(self) -> None:
        """Cancel it, since the process ends: its message is given back.

        What has failed, and does not end, is settled as what fails.
        """
        if self._outlasted is not None:
            self._finish()
        elif self._timed_out:
            self._end(Ended(raised=LeftBehind(self._timeout)))
        elif not self._cut_off:
            self._cut_off = True
            # One that is about to start is cancelled then.
            if self._started:
                self._cancel()

    def _left(self) -> float:
        lost = self._lost() - self._lost_before
        return self._began + (self._timeout or 0.0) + lost - time.monotonic()

    def _time_out(self) -> None:
        # Where the loop was blocked, what measures that is due, too, and has its turn first.
        self._loop.call_soon(self._time_out_unless_blocked)

    def _time_out_unless_blocked(self) -> None:
        left = self._left()
        if self.task.done() or self._cut_off:
            return
        if left > 0.001:
            self._timer = self._loop.call_later(left, self._time_out)
        else:
            self._timed_out = True
            self._cancel()

    def _cancel(self) -> None:
        """Cancel it, again and again, since a bare except may have swallowed the last one."""
        if self._timer is not None:
            self._timer.cancel()
        if self._cancelled == len(CANCEL_GRACES):
            if self._cut_off:
                self._end(Ended(raised=CutOff()))
            else:
                self._say("it swallows its cancellation")
        graces = CANCEL_GRACES[self._cancelled :]
        self._cancelled += 1
        self._timer = self._loop.call_later(graces[0] if graces else INTERVAL, self._cancel)
        self.task.cancel()

    def _done(self, task: asyncio.Task[Ended]) -> None:
        _by_task.pop(task, None)
        if self._timer is not None:
            self._timer.cancel()
        if task.cancelled():
            # Before its first step.
            ended = Ended(raised=asyncio.CancelledError())
            if inspect.iscoroutine(self._awaitable):
                self._awaitable.close()
        else:
            ended = task.result()
        if self._timed_out:
            ended = Ended(raised=TimedOut(self._timeout))
        elif self._cut_off and isinstance(ended.raised, asyncio.CancelledError):
            ended = Ended(raised=CutOff())
        elif _was_cancelled(task, ended) and not self._cancelled:
            # Nobody knows by whom, so the message must not pay for it.
            ended = Ended(raised=EnvironmentFailure("its receiver was cancelled by other code"))
        elif isinstance(ended.raised, TimedOut):
            ended.raised.seconds = ended.raised.seconds or self._timeout
        self._outlasted = ended
        if ended.raised is None or self._cut_off:
            # What it has left running outlives it, if it is done; else the process ends.
            self._finish()
        elif self._calls.end(self._calls_ended):
            say = partial(self._say, CALL_RUNS)
            self._timer = self._loop.call_later(SAY, say)

    def _calls_ended(self) -> None:
        # In the thread of a call; the loop may have ended.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if (ended := self._outlasted) is not None:
            self._outlasted = None
            if self._timer is not None:
                self._timer.cancel()
            self._end(ended)
            self._gone()

    def _say(self, why: str) -> None:
        if self._then is not None:
            say_held(self.message, why)

    def _end(self, ended: Ended) -> None:
        if (then := self._then) is not None:
            self._then = None
            then(ended)


def _was_cancelled(task: asyncio.Task[Any], ended: Ended) -> bool:
    """Whether somebody cancelled it, and it is not a CancelledError of its own."""
    if not isinstance(ended.raised, asyncio.CancelledError):
        return False
    # New in Python 3.11.
    return hasattr(task, "cancelling") and task.cancelling() > 0


async def _to_its_end(value: Any, process: int) -> Ended:
    # What is raised is a value here: a SystemExit would end the loop.
    raised: BaseException | None = None
    try:
        # Awaited, it may turn out to be something to await again.
        while inspect.isawaitable(value):
            value = await value
    except BaseException as exc:  # noqa: BLE001 - whatever a receiver may raise
        value, raised = None, sound(exc)
    if os.getpid() != process:
        end_child(raised)
    return Ended(value, raised)
