"""Stopping: signals end the commands that go on until they are told to stop."""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Callable
from types import FrameType

from django_sqs_kombu.posix import signals


class Stop:
    """Whether there was a signal to stop, and the wait for it.

    A handler interrupts its thread anywhere, also within a wait.  The lock of a threading.Event
    that is held there would be waited for without end; a SimpleQueue, written in C, has none.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Stop; safe in a signal's handler, and from any thread."""
        self._is_set = True
        self._woken.put(None)

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, at most *timeout* seconds; return whether it is."""
        if not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._woken.get(timeout=timeout)
        return self._is_set


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call *stop* on SIGTERM, SIGINT and SIGHUP, the end of the terminal, from now on.

    It must take no lock that the main thread may hold.
    """

    def handle(signum: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    for number in signals("SIGHUP"):
        # Not where nohup, or a shell, had it ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def stop_by_signals() -> Stop:
    """What SIGTERM, SIGINT and SIGHUP set, from now on."""
    stop = Stop()
    on_stop_signal(stop.set)
    return stop
