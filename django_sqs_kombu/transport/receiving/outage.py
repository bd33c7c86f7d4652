"""Outage: how long to pause between polls that fail, and how often to say so."""

from __future__ import annotations

import logging
import time

from ...exceptions import SQSError
from ...logs import get_logger
from ...reminders import Reminders

logger = get_logger(__name__)

#: Pauses after failed polls, in seconds: doubled from the first to the last, so that
#: receiving goes on within 5 s of the end of an outage.
FIRST_PAUSE, LAST_PAUSE = 1.0, 4.0
#: Log records within a minute of an outage that comes and goes: where every second poll fails, as
#: with one of two servers behind a load balancer down, each would have its own.
MOST_TOLD = 4


class Outage:
    """The failed polls of one queue.

    :param queue: its name.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._pause = FIRST_PAUSE
        self._reminders = Reminders()

    def over(self) -> None:
        """A poll was answered."""
        self._pause = FIRST_PAUSE

    def failed(self, error: Exception) -> float:
        """A poll failed: log it, and return the seconds to pause."""
        pause, self._pause = self._pause, min(LAST_PAUSE, self._pause * 2)
        if isinstance(error, SQSError):
            now, news = time.monotonic(), pause < LAST_PAUSE
            told = self._reminders.is_due(self._queue, now, most=MOST_TOLD, news=news)
            level = logging.ERROR if told else logging.DEBUG
            why = str(error).removesuffix(".")
            logger.log(level, "%s. Trying again in %g s.", why, pause)
        else:
            logger.error(
                "Polling queue %s failed, trying again in %g s",
                self._queue,
                pause,
                exc_info=error,
            )
        return pause
