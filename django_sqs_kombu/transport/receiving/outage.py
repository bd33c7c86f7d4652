"""Outage: how long to pause between polls that fail, and how often to say so."""

from __future__ import annotations

import logging
import time

from ...exceptions import SQSError
from ...logs import get_logger

logger = get_logger(__name__)

#: Pauses after failed polls, in seconds: doubled from the first to the last, so that
#: receiving goes on within 5 s of the end of an outage.
FIRST_PAUSE, LAST_PAUSE = 1.0, 4.0
#: Seconds between two log records of an outage that lasts, and how many there are within that time
#: of one that comes and goes: where every second poll fails, as with one of two servers behind a
#: load balancer down, each would have its own.
REMINDER, MOST_TOLD = 60.0, 4


class Outage:
    """The failed polls of one queue.

    :param queue: its name.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._pause = FIRST_PAUSE
        self._remind_at, self._told = 0.0, 0

    def over(self) -> None:
        """A poll was answered."""
        self._pause = FIRST_PAUSE

    def failed(self, error: Exception) -> float:
        """A poll failed: log it, and return the seconds to pause."""
        pause, self._pause = self._pause, min(LAST_PAUSE, self._pause * 2)
        if isinstance(error, SQSError):
            level = logging.ERROR if self._is_to_be_told(pause) else logging.DEBUG
            logger.log(level, "%s Trying again in %g s.", error, pause)
        else:
            logger.error(
                "Polling queue %s failed, trying again in %g s",
                self._queue,
                pause,
                exc_info=error,
            )
        return pause

    def _is_to_be_told(self, pause: float) -> bool:
        """At once, and then only now and then: an outage must not fill the log."""
        now = time.monotonic()
        if now >= self._remind_at:
            self._remind_at, self._told = now + REMINDER, 0
        elif pause >= LAST_PAUSE or self._told >= MOST_TOLD:
            return False
        self._told += 1
        return True
