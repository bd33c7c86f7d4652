"""LoopWatch: notices receivers that block the event loop which they share with others."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from ..logs import get_logger
from ..new_threads import start_thread, without_fail
from .awaiting import Awaiting, awaiting_of
from .deadline import INTERVAL, BeingLogged, strike
from .lasting_loop import LastingLoop

logger = get_logger(__name__)

#: Seconds from one beat of a loop to the next, and after which one that is late is blocked.
BEAT, BLOCKED = 1.0, 1.0
#: Seconds between two looks at a loop that is blocked, and two log records of it.
LOOK, SAY = 0.2, 30.0
#: A beat that is late by so many seconds was held up.
LATE = 0.2


class LoopWatch:
    """Has a loop beat, in a thread of its own, and says who holds it up.

    A receiver that blocks the loop can be cancelled by nobody, so it is interrupted, as a
    synchronous one, when it has been overdue for a second.

    :param loop: the loop.
    :param on_beat: called about once a second, also while the loop is blocked.
    """

    def __init__(self, loop: LastingLoop, on_beat: Callable[[], None]) -> None:
        self._loop = loop
        self._on_beat = on_beat
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-loop-watch", daemon=True)
        #: Written by the loop's thread: when its next beat is due, and what it has lost.
        self._due = 0.0
        self._lost = 0.0

    def lost(self) -> float:
        """For how many seconds the loop was blocked so far, about."""
        return self._lost

    def start(self) -> None:
        """Start the beat, and the thread."""
        self._due = time.monotonic()
        self._loop.call(self._beat)
        try:
            start_thread(self._thread)
        except RuntimeError as exc:
            logger.error("Receivers that block their event loop will go unnoticed: %s", exc)

    def stop(self) -> None:
        """End it, soon."""
        self._ended.set()

    def _beat(self) -> None:
        """Beat, in the loop's thread."""
        now = time.monotonic()
        late = now - self._due
        if late > LATE:
            # The block may have begun just after the beat before.
            self._lost += late + BEAT
        self._due = now + BEAT
        self._loop.loop.call_later(BEAT, self._beat)

    def _run(self) -> None:
        while not without_fail(partial(self._ended.wait, BEAT)):
            try:
                self._on_beat()
                if time.monotonic() > self._due + BLOCKED:
                    self._blocked(self._due)
            except Exception:
                logger.exception("Watching the event loop failed")

    def _blocked(self, due: float) -> None:
        says_at = strikes_at = 0.0
        whose, record = None, BeingLogged()
        while self._due == due and not self._ended.wait(LOOK):
            self._on_beat()
            now = time.monotonic()
            task = asyncio.current_task(self._loop.loop)
            frame = sys._current_frames().get(self._loop.ident)
            if task is None or frame is None:
                continue
            awaiting = awaiting_of(task)
            if now >= says_at:
                says_at = now + SAY
                _say(awaiting, frame, now - due)
            # Also the frames would keep what a receiver works on.
            del frame
            if awaiting is not None and awaiting.overdue and now >= strikes_at:
                if awaiting is not whose:
                    whose, record = awaiting, BeingLogged()
                struck = strike(self._loop.ident, self._loop.shield, _frame_of(task), record)
                strikes_at = now + (INTERVAL if struck else 0.0)


def _frame_of(task: asyncio.Task[Any]) -> FrameType | None:
    frame: FrameType | None = getattr(task.get_coro(), "cr_frame", None)
    return frame


def _say(awaiting: Awaiting | None, frame: FrameType, seconds: float) -> None:
    message = None if awaiting is None else awaiting.message
    whose = "A receiver"
    if message is not None:
        whose = f"The receiver of message {message.message_id} of queue {message.queue}"
    logger.error(
        "%s has blocked the event loop for %.0f s, and all others with it, in %s, line %d of %s: "
        "use await there, or asyncio.to_thread",
        whose,
        seconds,
        frame.f_code.co_name,
        frame.f_lineno,
        frame.f_code.co_filename,
    )
