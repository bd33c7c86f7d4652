"""Logs that cost no message: what a project's handlers and filters raise goes no further.

``logging`` hands to its caller what a filter raises, or a handler whose disk is full.  In the
middle of settling a message, or in the thread that polls, that would be the message's loss.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable

from .exceptions import TimedOut


def get_logger(name: str) -> logging.Logger:
    """The logger *name* of ``logging``, whose records are lost where they cannot be handled.

    Why is written to ``sys.stderr``, unless ``logging.raiseExceptions`` is false.
    """
    logger = logging.getLogger(name)
    if "handle" not in vars(logger):
        vars(logger)["handle"] = _guarded(logger.handle)
    return logger


def _guarded(handle: Callable[[logging.LogRecord], None]) -> Callable[[logging.LogRecord], None]:
    def guarded(record: logging.LogRecord) -> None:
        try:
            handle(record)
        except TimedOut:
            # Of the receiver that logs.
            raise
        except Exception as exc:  # noqa: BLE001 - whatever a handler may raise
            if logging.raiseExceptions and sys.stderr is not None:
                # It may be on the same disk.
                with contextlib.suppress(Exception):
                    sys.stderr.write(f"A record of logger {record.name} is lost: {exc!r}\n")

    return guarded
