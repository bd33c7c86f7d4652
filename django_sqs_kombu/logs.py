"""Logs that cost no message: what a project's handlers and filters raise goes no further.

``logging`` hands to its caller what a filter raises, or a handler whose disk is full, or what
makes a record, for which there may be no memory.  In the middle of settling a message, or in the
thread that polls, that would be the message's loss.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .exceptions import TimedOut
from .odd import sound, traceback_of

T = TypeVar("T")

#: Whether a record is of a thread that must not wait, and what then has it handled.
_rule: tuple[Callable[[], bool], Callable[[Callable[[], None]], None]] | None = None
_finish: Callable[[float], bool] | None = None
#: In which process the current thread hands its records to another for now.
_hurried = threading.local()


def handle_elsewhere(
    may_wait: Callable[[], bool],
    elsewhere: Callable[[Callable[[], None]], None],
    finish: Callable[[float], bool],
) -> None:
    """Have records of threads that must not wait handled by others: a handler may take long.

    :param may_wait: whether the current thread may.
    :param elsewhere: has a function called by another thread, one after the other.  Where it
        raises RuntimeError, the record is handled where it was made.
    :param finish: waits until all of them are called, for so many seconds at most; returns
        whether they are.
    """
    global _rule, _finish
    _rule, _finish = (may_wait, elsewhere), finish


def finish(timeout: float) -> bool:
    """Wait until all records are handled, for *timeout* seconds at most; return whether so."""
    return _finish is None or _finish(timeout)


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Have other threads handle this one's records meanwhile.

    For what must go on, such as a stop, where a log is a pipe that nobody reads from any more and
    nobody closes: what writes to it waits for ever.  In a forked child it is over.
    """
    before = getattr(_hurried, "process", None)
    _hurried.process = os.getpid()
    try:
        yield
    finally:
        _hurried.process = before


def _may_wait(may: Callable[[], bool]) -> bool:
    process = getattr(_hurried, "process", None)
    return may() and (process is None or process != os.getpid())


def get_logger(name: str) -> logging.Logger:
    """The logger *name* of ``logging``; a record that cannot be made or handled is lost.

    Why is written to ``sys.stderr``, unless ``logging.raiseExceptions`` is false.
    """
    logger = logging.getLogger(name)
    if "handle" not in vars(logger):
        # Not a class of our own: the project may have set one for all loggers.
        vars(logger).update(
            isEnabledFor=_asking(name, logger.isEnabledFor),
            _log=_making(logger),
            handle=_handling(logger.handle),
        )
    return logger


def _raised(record: logging.LogRecord) -> BaseException | None:
    """What *record* has a traceback of."""
    told: Any = record.exc_info
    # ``logging`` leaves one as it is that is false, as its class may have it.
    return told if isinstance(told, BaseException) else told[1] if told else None


def _asking(name: str, ask: Callable[[int], bool]) -> Callable[[int], bool]:
    def is_enabled(level: int) -> bool:
        # It is asked several times for a message: without a further call.
        try:
            return ask(level)
        except TimedOut:
            raise
        except Exception as exc:  # noqa: BLE001 - of a logger class of the project's own
            _lost(name, exc)
            return False

    return is_enabled


def _making(logger: logging.Logger) -> Callable[..., None]:
    make = logger._log
    # One of a class of the project's own may know of none.
    has_levels = "stacklevel" in inspect.signature(type(logger)._log).parameters

    def log(*args: Any, **options: Any) -> None:
        if has_levels:
            # This function is not who logs.
            options["stacklevel"] = options.get("stacklevel", 1) + 2
        _safely(logger.name, make, *args, **options)

    return log


def _handling(handle: Callable[[logging.LogRecord], None]) -> Callable[[logging.LogRecord], None]:
    def prepared(record: logging.LogRecord) -> None:
        if (raised := _raised(record)) is not None:
            # Else no handler could write it.
            error = sound(raised)
            record.exc_info = type(error), error, traceback_of(raised)
        if _rule is None or _may_wait(_rule[0]):
            handle(record)
            return
        try:
            _rule[1](lambda: _safely(record.name, handle, record))
        except RuntimeError:
            # No thread to be had now.
            handle(record)

    # Also what comes before a handler may find no memory.
    return lambda record: _safely(record.name, prepared, record)


def _safely(name: str, call: Callable[..., T], *args: Any, **options: Any) -> T | None:
    """Call what makes or handles a record of logger *name*; None: it failed."""
    try:
        return call(*args, **options)
    except TimedOut:
        # Of the receiver that logs.
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a handler, filter or factory may raise
        _lost(name, exc)
        return None


def _lost(name: str, exc: Exception) -> None:
    # It may be on the same disk.
    with contextlib.suppress(Exception):
        if logging.raiseExceptions and sys.stderr is not None:
            sys.stderr.write(f"A record of logger {name} was lost: {exc!r}\n")
