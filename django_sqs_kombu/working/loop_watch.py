"""LoopWatch: notices receivers that block the event loop which they share with others."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from types import FrameType
from typing import Any

from ..logs import get_logger
from .awaiting import Awaiting, awaiting_of
from .deadline import INTERVAL, strike
from .lasting_loop import LastingLoop

logger = get_logger(__name__)

#: Seconds from one beat to the next, and after which a loop that has not beaten is blocked.
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
    """

    def __init__(self, loop: LastingLoop) -> None:
        self._loop = loop
        self._ended = threading.Event()
        self._beaten = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-loop-watch", daemon=True)
        self._lost = 0.0

    def lost(self) -> float:
        """For how many seconds the loop was blocked so far, about."""
        return self._lost

    def start(self) -> None:
        """Start the thread."""
        try:
            self._thread.start()
        except RuntimeError as exc:
            logger.error("Nobody watches whether receivers block their event loop: %s", exc)

    def stop(self) -> None:
        """End it, soon."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                self._beaten.clear()
                self._loop.call(self._beat, time.monotonic())
                if not self._beaten.wait(BLOCKED):
                    self._blocked()
            except RuntimeError:
                # The loop has ended.
                return
            except Exception:
                logger.exception("Watching the event loop failed")

    def _beat(self, asked_at: float) -> None:
        late = time.monotonic() - asked_at
        if late > LATE:
            # It was asked for some time after the block began.
            self._lost += late + BEAT
        self._beaten.set()

    def _blocked(self) -> None:
        since = time.monotonic() - BLOCKED
        says_at = strikes_at = 0.0
        while not self._beaten.wait(LOOK) and not self._ended.is_set():
            now = time.monotonic()
            task = asyncio.current_task(self._loop.loop)
            frame = sys._current_frames().get(self._loop.ident)
            if task is None or frame is None:
                continue
            awaiting = awaiting_of(task)
            if now >= says_at:
                says_at = now + SAY
                _say(awaiting, frame, now - since)
            # Also the frames would keep what a receiver works on.
            del frame
            if awaiting is not None and awaiting.overdue and now >= strikes_at:
                struck = strike(self._loop.ident, self._loop.shield, _frame_of(task))
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
        "%s has blocked the event loop for %.0f s, and with it all others, in %s, line %d of %s: "
        "await there, or call it by asyncio.to_thread",
        whose,
        seconds,
        frame.f_code.co_name,
        frame.f_lineno,
        frame.f_code.co_filename,
    )
