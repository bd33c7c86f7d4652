"""Uninterrupted: says of a receiver that its time is over, and what keeps it from ending."""

from __future__ import annotations

import linecache
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from ..logs import get_logger
from ..new_threads import start_thread
from .context import MessageContext

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread is: in the same call still, if it is there again.

    A frame equals no other.

    :param frame: the innermost one.
    :param instruction: its last, by number.
    """

    frame: FrameType
    instruction: int

    @classmethod
    def of(cls, frame: FrameType) -> Place:
        """Where a thread in *frame* is now."""
        return cls(frame, frame.f_lasti)

    def describe(self, owner: FrameType | None) -> str:
        """The call, and where the receiver has made it.

        :param owner: the frame that called the receiver.
        """
        within: FrameType | None = self.frame
        while within is not None and within.f_back is not owner:
            within = within.f_back
        text = _line_of(self.frame)
        if within is None or within is self.frame:
            return text
        return f"{text}, called from {_line_of(within)}"


def say_it_still_runs(message: MessageContext | None, ran: float, limit: float, where: str) -> None:
    """Log that a receiver runs on after its time, since it cannot be interrupted *where* it is.

    In a thread of its own: the receiver may be stuck in a log handler, whose lock it has, and
    whoever watches the time of all others must not wait for that.
    """
    thread = threading.Thread(
        target=_say, args=(message, ran, limit, where), name="sqs-deadline-log", daemon=True
    )
    # Where none can be started, the receiver's end tells how long it ran.
    with suppress(RuntimeError):
        start_thread(thread)


def _say(message: MessageContext | None, ran: float, limit: float, where: str) -> None:
    logger.warning(
        "Message %s of queue %s (receive %d): its receiver still runs after %.3g s, its timeout is "
        "%g s. A blocking call in a thread cannot be interrupted, so TimedOut is raised when it "
        "returns, unless the receiver has caught it: %s",
        message.message_id if message else "-",
        message.queue if message else "-",
        message.receive_count if message else 0,
        ran,
        limit,
        where,
        extra=message.as_dict() if message else {},
    )


def _line_of(frame: FrameType) -> str:
    code, number = frame.f_code, frame.f_lineno
    source = linecache.getline(code.co_filename, number).strip()
    return f"{code.co_filename}:{number} ({code.co_name}){source and f' {source}'}"
