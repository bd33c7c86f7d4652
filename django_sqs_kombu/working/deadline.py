"""Deadline: interrupts a receiver that runs longer than its time limit."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType

from ..exceptions import TimedOut


def deadline(seconds: float | None) -> AbstractContextManager[None]:
    """Raise :class:`TimedOut` in the block when it lasts longer than *seconds*.

    In the main thread SIGALRM does it, which also interrupts a blocking system call.
    In another thread CPython can raise the exception only between two bytecodes: a
    call that blocks in C, such as ``time.sleep``, is interrupted when it returns.

    :param seconds: the time limit; None or 0: no limit.
    """
    if not seconds:
        return nullcontext()
    if threading.current_thread() is threading.main_thread():
        return _by_alarm(seconds)
    return _by_asynchronous_exception(seconds)


@contextmanager
def _by_alarm(seconds: float) -> Iterator[None]:
    def expire(signum: int, frame: FrameType | None) -> None:
        raise TimedOut(seconds)

    previous = signal.signal(signal.SIGALRM, expire)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        # Its own `finally`, since the alarm may ring inside the one above.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def _by_asynchronous_exception(seconds: float) -> Iterator[None]:
    thread = ctypes.c_ulong(threading.get_ident())
    lock = threading.Lock()
    finished = False

    def expire() -> None:
        with lock:
            if not finished:
                raise_in(thread, ctypes.py_object(TimedOut))

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    timer = threading.Timer(seconds, expire)
    timer.name = "sqs-deadline"
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                finished = True
                timer.cancel()
                # One that was raised too late to surface in the block is taken back.
                raise_in(thread, None)
    except TimedOut as exc:
        exc.seconds = exc.seconds or seconds
        raise
