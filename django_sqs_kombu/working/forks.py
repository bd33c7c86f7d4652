"""Forks: how forked processes end, those of a worker and those that a receiver forked."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from ..logs import finish, get_logger
from ..new_threads import start_thread
from ..odd import as_a
from ..posix import in_forked_children

logger = get_logger(__name__)

#: Seconds that a process that a receiver forked has for its last lines in the logs.
LOGS_TIMEOUT = 2.0
#: Seconds that Sentry has for its last reports, as where it is called at an exit.
REPORTS_TIMEOUT = 2.0
#: Seconds that a process that ends has for all of that: a log may be a pipe that nobody reads.
END_TIMEOUT = 5.0


class Forks:
    """Counts the forks that led to this process, so that whoever was forked notices it.

    :ivar count: since the parent of them all was started.
    """

    def __init__(self) -> None:
        self.count = 0
        in_forked_children(self._add)

    def _add(self) -> None:
        self.count += 1


forks = Forks()


def end_child(raised: BaseException | None) -> NoReturn:
    """End this process, which a receiver forked and in which that receiver has come to its end.

    Its parent has the message and the worker's loop; nothing of them must go on here.

    :param raised: what the receiver raised; the exit code is that of a script that raises it.
    """
    code = 0 if raised is None else 1
    try:
        if (exit_ := as_a(raised, SystemExit)) is not None:
            said = exit_.code
            code = said if isinstance(said, int) else int(said is not None)
        # Another thread may have been writing a log's file at the fork, and holds it for ever here.
        telling = threading.Thread(target=_tell, args=[raised], daemon=True)
        start_thread(telling)
        telling.join(LOGS_TIMEOUT)
    finally:
        os._exit(code)


def _tell(raised: BaseException | None) -> None:
    if raised is None:
        logger.error("A receiver returned in a process that it forked, which ends with it")
    elif as_a(raised, SystemExit) is None:
        logger.error("A process that a receiver forked has failed", exc_info=raised)
    _flush()


def end_process(code: int) -> NoReturn:
    """Flush logs, output and what Sentry has to report, and end this process with *code*.

    Not by ``sys.exit()``: what the parent was in the midst of must not go on in its child.
    """
    try:
        _in_time(_flush, END_TIMEOUT)
    finally:
        os._exit(code)


def _in_time(call: Callable[[], None], timeout: float) -> None:
    """Call what may wait for whoever reads a pipe; go on after *timeout* seconds all the same."""
    thread = threading.Thread(target=call, name="sqs-in-time", daemon=True)
    try:
        start_thread(thread)
    except RuntimeError:
        # No thread to be had now.
        call()
    else:
        thread.join(timeout)


def _flush() -> None:
    finish(LOGS_TIMEOUT)
    _flush_sentry()
    logging.shutdown()
    _flush_output()


def flush_output() -> None:
    """Write what is printed and not yet written, if anybody reads it: a child would do so, too."""
    _in_time(_flush_output, LOGS_TIMEOUT)


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Python has none if it was started without.
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()


def _flush_sentry() -> None:
    # A thread of its own sends its reports; what it registers for an exit is not called here.
    sentry: Any = sys.modules.get("sentry_sdk")
    if sentry is None:
        return
    try:
        # In a thread: at the fork another one may have held what this waits for.
        sending = threading.Thread(target=sentry.flush, args=[REPORTS_TIMEOUT], daemon=True)
        start_thread(sending)
        sending.join(REPORTS_TIMEOUT)
    except Exception:
        logger.exception("Sentry could not send the last of its reports")
