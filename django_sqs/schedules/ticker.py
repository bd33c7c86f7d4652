"""Ticker: sends each slot when its time comes, beside every worker."""

from __future__ import annotations

import math
import threading
import time
from datetime import datetime, timedelta

from django.db import Error

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread
from django_sqs_kombu.working import Schedule, Ticking

from ..connections import alias_for_logs, now_and_then
from ..database_errors import as_database_errors
from ..forking import forks
from ..not_migrated import NotMigrated, told
from .firing import EARLY, LAST, Scheduled, disown, fire, forget, is_known, know, scheduled
from .models import Slot

logger = get_logger(__name__)

#: Time between two sweeps of old rows.
SWEEP = timedelta(hours=6)
#: Time between two looks for rows that clocks wrote which were ahead.
LOOK = timedelta(minutes=15)


class Ticker(Ticking):
    """A thread of the process that starts the others.

    There is no leader: every worker ticks, and the first to write a slot's row sends it.
    """

    def __init__(self) -> None:
        super().__init__()
        #: The last slots of each schedule that are sent, or are not to be, and by how much the
        #: clock was then before :meth:`steady`.
        self._done: dict[str, dict[datetime, float]] = {}
        self._ticked_at: datetime | None = None
        self._swept_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._thread = threading.Thread(target=self.run, name="sqs-schedules", daemon=True)

    def start(self) -> None:
        """Start to tick, where there is a schedule."""
        if scheduled():
            start_thread(self._thread)

    def stop(self) -> None:
        """Tick no more."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(5)

    def schedules(self) -> list[Schedule]:
        """The schedules of all queues."""
        return [schedule for _, schedule in scheduled()]

    def ticked(self, now: datetime) -> bool:
        """Tick, whatever it raises; return whether nothing failed."""
        try:
            with forks.asking(), now_and_then():
                return self.tick(now)
        except (Error, NotMigrated) as exc:
            logger.warning("Schedules wait for their database: %s", told(exc, alias_for_logs(Slot)))
        except Exception:
            logger.exception("Schedules cannot be run, trying again")
        return False

    def tick(self, now: datetime) -> bool:
        """Send what is due; return whether nothing failed."""
        # What came after it is this tick's to send.
        before = now if self._ticked_at is None else min(now, self._ticked_at)
        # A clock may have been put back since.
        sweep = self._swept_at is None or abs(now - self._swept_at) > SWEEP
        if sweep:
            know(before)
        put_back = self._ticked_at is not None and now < self._ticked_at
        if self._looked_at is None or put_back or now - self._looked_at > LOOK:
            disown(now)
            self._looked_at = now
        fine = True
        for queue, schedule in scheduled():
            try:
                with as_database_errors():
                    self._send(queue, schedule, now, before)
            except (Error, NotMigrated):
                raise
            except (Exception, SystemExit):
                # Its queue's own fault, as where a message class exits; the others are sent.
                logger.exception("A slot of %s is not sent", queue.name)
                fine = False
        if sweep:
            forget(now)
            self._swept_at = now
        self._ticked_at = now
        return fine

    def steady(self) -> float:
        """Seconds by a clock that nobody sets, and that does not stop where the system sleeps."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot is None else time.clock_gettime(boot)

    def _send(self, queue: Scheduled, schedule: Schedule, now: datetime, before: datetime) -> None:
        slot = schedule.latest(now)
        if slot is None:
            return
        before_steady = now.timestamp() - self.steady()
        done = self._done.setdefault(queue.name, {})
        # Where the clock was put back meanwhile, and forth again, the slot's row may be gone.
        if abs(done.get(slot, math.inf) - before_steady) < EARLY.total_seconds():
            return
        if not fire(queue, schedule, slot, now) and not is_known(queue, schedule, now):
            # Its row was deleted, or written by a host whose clock is ahead.
            know(before)
            fire(queue, schedule, slot, now)
        done.pop(slot, None)
        done[slot] = before_steady
        if len(done) > LAST:
            # The one that was dealt with first, which a wrong clock may have taken for the latest.
            del done[next(iter(done))]
