"""Interrupts: Ctrl-C in a script stops its consumer, and breaks off receivers alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class Interrupts:
    """While this is entered, Ctrl-C raises KeyboardInterrupt in receivers of the main thread only.

    Python raises it between any two instructions.  Within the consumer itself a message whose
    receiver has ended would then not be deleted, and run twice, or one that was not started stay
    hidden.  There the consumer is told to stop instead, and KeyboardInterrupt is raised when it
    has; a second Ctrl-C raises it at once, also where the first was raised in a receiver.

    Whoever handles the signal, as :func:`signal.signal` is told, goes on doing so.

    :param stop: tells the consumer, or whatever else handles messages, to stop.
    :param stops: whether it stops.
    :param receiving: whether a receiver runs in the frame of a function, or in what that called.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        stops: Callable[[], bool],
        receiving: Callable[[FrameType], bool],
    ) -> None:
        self._stop = stop
        self._stops = stops
        self._receiving = receiving
        self._is_ours = False
        self._told = False
        #: Whether one was raised in a receiver, which may have caught it.
        self._raised = False

    def __enter__(self) -> None:
        in_main = threading.current_thread() is threading.main_thread()
        self._is_ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._handle)

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_ours and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._told and exc is None:
            raise KeyboardInterrupt

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._told or (self._raised and self._stops()):
            signal.default_int_handler(signum, frame)
        if self._receives(frame):
            self._raised = True
            signal.default_int_handler(signum, frame)
        self._told = True
        self._stop()

    def _receives(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if self._receiving(frame):
                return True
            frame = frame.f_back
        return False


def raise_interrupts() -> bool:
    """Whether Ctrl-C raises KeyboardInterrupt in this thread, at least in receivers."""
    if threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGINT)
    return handler is signal.default_int_handler or isinstance(
        getattr(handler, "__self__", None), Interrupts
    )
