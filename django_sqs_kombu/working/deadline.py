"""Deadline: interrupts a receiver that runs longer than its time limit, until it was heard."""

from __future__ import annotations

import ctypes
import functools
import logging
import math
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from types import FrameType, TracebackType
from typing import Any

from ..exceptions import EnvironmentFailure, TimedOut
from ..logs import get_logger
from ..new_threads import start_thread
from ..odd import as_a
from ..posix import HAS_ALARM, in_forked_children
from ..transport.sqs.shield import Shield, is_request, shield
from .context import current_message
from .uninterrupted import Place, say_it_still_runs

logger = get_logger(__name__)

#: Seconds between two rings: the first may be lost in a ``__del__`` or in a bare ``except``.
INTERVAL = 1.0
#: Seconds that the block may take to clean up after it was interrupted, undisturbed.
CLEANUP = 10.0
#: Seconds until the next try where a thread was found just entering or leaving its block, or
#: in a request.
PAUSE = 0.05
#: Longer ones are no limit: three years, which the system's timers can still count.
LONGEST = 1e8
#: Seconds after which the thread that rings looks again, whatever it was told.
LOOK = 5.0
#: An exception's context, whatever its class says.
_context_of: Any = BaseException.__dict__["__context__"].__get__
#: How far a chain of exceptions is followed.
MOST_CONTEXTS = 50


def deadline(seconds: float | None) -> AbstractContextManager[object]:
    """Raise :class:`TimedOut` in the block when it lasts longer than *seconds*.

    It is raised again each second until the block is left, but not while the block cleans
    up after it, and never after the block.

    In the main thread SIGALRM does it, which also interrupts a blocking system call.
    In another thread, and on Windows, CPython can raise the exception only between two bytecodes: a
    call that blocks in C, such as ``time.sleep``, is interrupted when it returns.  That it still
    runs is logged once, with the call.

    A request to SQS that the block makes ends first, by its answer or its time limit: struck in
    the middle it could leave a lock of its connection pool taken for ever.  It is raised then,
    also where the request was the last thing that the block did.  So does a record that is being
    logged, for a second at most: a handler of ``logging`` keeps to itself what is raised in it.

    Where threads are green (gevent, eventlet) nothing can interrupt one, so there is no limit
    but in the main thread; that is logged.

    :param seconds: the time limit; None, 0 or more than three years: no limit.
    :raises EnvironmentFailure: no thread can be started to watch the time.
    """
    if not seconds or math.isnan(seconds) or seconds > LONGEST:
        return nullcontext()
    if HAS_ALARM and threading.current_thread() is threading.main_thread():
        return _Alarm(seconds)
    if threading.get_ident() not in sys._current_frames():
        _say_that_threads_are_green()
        return nullcontext()
    return _Bell(seconds)


@functools.cache
def _say_that_threads_are_green() -> None:
    logger.warning(
        "Time limits of receivers have no effect in the green threads of gevent and eventlet: "
        "receivers run as long as they take. Run them in processes or real threads"
    )


class _Alarm:
    """A deadline of the main thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started = 0.0
        self._over = False
        self._held_off = False
        self._record = BeingLogged()
        self._ringing = False
        self._raised: TimedOut | None = None
        self._raised_at = 0.0

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._previous = signal.signal(signal.SIGALRM, self._ring)
        self._outer = signal.setitimer(
            signal.ITIMER_REAL, max(self._seconds, PAUSE / 1_000), INTERVAL
        )

    def __exit__(self, cls: type[BaseException] | None, *args: object) -> None:
        # It cannot ring in here: _ring looks where it does.
        self._over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous or signal.SIG_DFL)
        left, interval = self._outer
        if left:
            # One that was set around this one, or a test runner's, goes on.
            passed = time.monotonic() - self._started
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, PAUSE), interval)
        if cls is None and self._held_off and self._raised is None:
            raise TimedOut(self._seconds)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        # On a busy machine, or under a profiler, the next may come before this one has looked.
        if self._over or self._ringing:
            return
        self._ringing = True
        try:
            self._strike(frame)
        finally:
            self._ringing = False

    def _strike(self, frame: FrameType | None) -> None:
        if _is_at_the_edge(frame):
            return
        if _is_in_a_request(frame) or self._record.is_logged(frame):
            self._held_off = True
            signal.setitimer(signal.ITIMER_REAL, PAUSE, INTERVAL)
            return
        cleans_up = any(exc is self._raised for exc in _contexts(sys.exc_info()[1]))
        if cleans_up and time.monotonic() < self._raised_at + CLEANUP:
            return
        self._raised, self._raised_at = TimedOut(self._seconds), time.monotonic()
        raise self._raised


class _Bell:
    """A deadline of another thread, which :class:`_Ringer` rings."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._over = False
        self._held_off = False
        self._record = BeingLogged()
        self._raised_at: float | None = None
        #: Where it was struck last, and whether was logged that it is there still.
        self._struck: Place | None = None
        self._told = False
        self.due = 0.0

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._message = current_message.get()
        self._thread = threading.get_ident()
        self._shield = shield()
        #: Whose block it is: when that runs no more, the block was left.
        self._owner: FrameType | None = sys._getframe(1)
        self.due = self._started + self._seconds
        # A block around this one may ring: not while the lock of all bells is taken.
        with self._shield:
            _ringer.add(self)

    def __exit__(
        self, cls: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        late = False
        # Twice, since it may ring in the first; then there is a second before it may again.
        try:
            self._end()
        except TimedOut:
            late = True
        finally:
            self._end()
        if (timed_out := as_a(exc, TimedOut)) is not None:
            timed_out.seconds = timed_out.seconds or self._seconds
            timed_out.ran = timed_out.ran or time.monotonic() - self._started
        elif cls is None and (late or (self._held_off and self._raised_at is None)):
            raise TimedOut(self._seconds, time.monotonic() - self._started)

    def _end(self) -> None:
        with self._lock:
            self._over = True
            self._owner = self._struck = None
            # One that was raised too late to surface in the block is taken back.
            _raise_in(self._thread, None)
        _ringer.remove(self)

    def ring(self, now: float) -> bool:
        """Interrupt the block, in the ringer's thread; return whether to ring again."""
        with self._lock:
            frame = sys._current_frames().get(self._thread)
            if self._over or frame is None or (self._raised_at and not self._runs(frame)):
                return False
            if not self._shield.acquire(blocking=False):
                self._held_off = True
                self.due = now + PAUSE
                return True
            # From here on the thread waits where it would begin a request.
            try:
                self._strike(now)
            finally:
                self._shield.release()
        return True

    def _strike(self, now: float) -> None:
        frame = sys._current_frames().get(self._thread)
        if frame is None or _is_at_the_edge(frame):
            self.due = now + PAUSE
            return
        if self._record.is_logged(frame):
            self._held_off, self.due = True, now + PAUSE
            return
        self.due = now + INTERVAL
        if self._raised_at is None or now > self._raised_at + CLEANUP or not self._cleans_up():
            self._raised_at = now
            _raise_in(self._thread, TimedOut)
            struck, self._struck = self._struck, Place.of(frame)
            if struck == self._struck and not self._told:
                self._told = True
                where = self._struck.describe(self._owner)
                say_it_still_runs(self._message, now - self._started, self._seconds, where)

    def _runs(self, frame: FrameType) -> bool:
        # Where it was left by an exception at the very first step of __exit__.
        return any(each is self._owner for each in _stack(frame))

    def _cleans_up(self) -> bool:
        handled: Any = sys._current_exceptions().get(self._thread)
        # Before Python 3.12: what sys.exc_info() returns.
        handled = handled[1] if isinstance(handled, tuple) else handled
        return any(as_a(exc, TimedOut) is not None for exc in _contexts(handled))


class BeingLogged:
    """Whether a block is held to be logging something, which is not for ever."""

    def __init__(self) -> None:
        self._seen_at: float | None = None

    def is_logged(self, frame: FrameType | None) -> bool:
        """Whether to wait for the end of that in a thread that is in *frame*."""
        if all(each.f_code.co_filename != _LOGGING for each in _stack(frame)):
            return False
        now = time.monotonic()
        if self._seen_at is None:
            self._seen_at = now
        return now < self._seen_at + INTERVAL


class _Ringer:
    """The one thread that rings the bells of all others."""

    def __init__(self) -> None:
        self._reset()
        in_forked_children(self._reset)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        # Weak: a block that was left by an exception at the first step of __exit__ is gone.
        self._bells: list[weakref.ref[_Bell]] = []
        self._thread: threading.Thread | None = None
        self._looks_at = 0.0

    def add(self, bell: _Bell) -> None:
        """Ring *bell* when it is due."""
        with self._changed:
            self._bells.append(weakref.ref(bell))
            if self._thread is None:
                self._start()
            elif bell.due < self._looks_at:
                self._changed.notify()

    def remove(self, bell: _Bell) -> None:
        """Ring *bell* no more."""
        with self._changed:
            self._bells = [each for each in self._bells if each() not in (bell, None)]

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="sqs-deadline", daemon=True)
        try:
            start_thread(thread)
        except RuntimeError as exc:
            raise EnvironmentFailure(f"No thread can watch the time limit: {exc}") from exc
        self._thread = thread

    def _run(self) -> None:
        while True:
            try:
                self._ring_due()
            except Exception:
                logger.exception("Enforcing the time limits of receivers failed")
                time.sleep(INTERVAL)

    def _ring_due(self) -> None:
        with self._changed:
            now = time.monotonic()
            self._looks_at = min([now + LOOK, *(bell.due for bell in self._alive())])
            if self._looks_at > now:
                self._changed.wait(self._looks_at - now)
                return
            due = [bell for bell in self._alive() if bell.due <= now]
        for bell in due:
            if not bell.ring(now):
                self.remove(bell)

    def _alive(self) -> list[_Bell]:
        bells = [each() for each in self._bells]
        return [bell for bell in bells if bell is not None]


_ringer = _Ringer()
_HERE = deadline.__code__.co_filename
_LOGGING = logging.getLevelName.__code__.co_filename
_set_asynchronous_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc


def strike(thread: int, shielded: Shield, within: FrameType | None, record: BeingLogged) -> bool:
    """Raise :class:`TimedOut` in another thread, where it runs in *within* now.

    Nothing of that thread runs between the look and the strike, which surfaces in the frame that
    was seen, or when what that waits for in C returns to it.

    :param shielded: the thread's shield: a request to SQS ends first.
    :param within: the frame, or one below it, that is to be interrupted.
    :param record: that of the block: what it logs ends first, in a second at most.
    :returns: whether it was.
    """
    if within is None or not shielded.acquire(blocking=False):
        return False
    try:
        frame = sys._current_frames().get(thread)
        if _is_in_a_request(frame) or all(each is not within for each in _stack(frame)):
            return False
        if record.is_logged(frame):
            return False
        _raise_in(thread, TimedOut)
        return True
    finally:
        shielded.release()


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    raised = None if exception is None else ctypes.py_object(exception)
    _set_asynchronous_exception(ctypes.c_ulong(thread), raised)


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_at_the_edge(frame: FrameType | None) -> bool:
    """Whether a thread in *frame* is just entering or leaving the block of a deadline."""
    return any(each.f_code.co_filename == _HERE for each in _stack(frame))


def _is_in_a_request(frame: FrameType | None) -> bool:
    """Whether a thread in *frame* waits for SQS, or for a connection to it."""
    return any(map(is_request, _stack(frame)))


def _contexts(exc: BaseException | None) -> list[BaseException]:
    """*exc* and those in whose handling it was raised."""
    found: list[BaseException] = []
    while exc is not None and len(found) < MOST_CONTEXTS:
        found.append(exc)
        exc = _context_of(exc)
    return found
