"""Ticker: sends each slot when its time comes, beside every worker."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from django.db import DatabaseError, connections

from django_sqs_kombu.logs import get_logger

from ..schedule import UTC
from .firing import fire, forget, know, scheduled

logger = get_logger(__name__)

#: Seconds between two looks at the clock at most, since it may be put, and at least.
LONGEST, SHORTEST = 30.0, 0.02
#: Seconds before the next try after a failure: at first, and at most.
FIRST_PAUSE, LAST_PAUSE = 0.5, 15.0
#: Time between two sweeps of old rows.
SWEEP = timedelta(hours=6)


class Ticker:
    """A thread of the process that starts the others.

    There is no leader: every worker ticks, and the first to write a slot's row sends it.

    """

    def __init__(self) -> None:
        self._known = False
        self._done: dict[str, datetime] = {}
        self._swept_at: datetime | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-schedules", daemon=True)

    def start(self) -> None:
        """Start to tick, where there is a schedule."""
        if scheduled():
            self._thread.start()

    def stop(self) -> None:
        """Tick no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def _run(self) -> None:
        pause, failures = 0.0, 0
        while not self._stopping.wait(pause):
            try:
                failures = 0 if self.tick(datetime.now(UTC)) else failures + 1
            except DatabaseError as exc:
                failures += 1
                logger.warning("Schedules wait for their database: %s", exc)
            except Exception:
                failures += 1
                logger.exception("Schedules do not go on, trying again")
            finally:
                # Not kept: a process that is forked meanwhile must not share it.
                connections.close_all()
            pause = self._pause(failures)

    def _pause(self, failures: int) -> float:
        if failures:
            return min(LAST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
        now = datetime.now(UTC)
        due = min(schedule.next(now) for _, schedule in scheduled())
        return min(LONGEST, max(SHORTEST, (due - now).total_seconds()))

    def tick(self, now: datetime) -> bool:
        """Send what is due; return whether nothing failed."""
        if not self._known:
            know(now)
            self._known = True
        fine = True
        for queue, schedule in scheduled():
            slot = schedule.latest(now)
            if slot is None or self._done.get(queue.name) == slot:
                continue
            try:
                fire(queue, schedule, slot, now)
                self._done[queue.name] = slot
            except DatabaseError:
                raise
            except Exception:
                # Its queue's own fault; the others are sent.
                logger.exception("Slot %s of queue %s is not sent", slot, queue.name)
                fine = False
        if self._swept_at is None or now - self._swept_at > SWEEP:
            self._swept_at = now
            forget(now)
        return fine
