"""Recorder: writes down, every few seconds, what the processes of a runreceiver count."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.db import Error, router, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread, without_fail

from ..conf import conf
from ..connections import alias_for_logs, now_and_then
from ..forking import forks
from ..not_migrated import told
from ..worker.companions import BesideFleet
from ..worker.stats import OUTCOMES
from ..written import written
from .models import Did, Heartbeat, QueueHour, QueueMinute

logger = get_logger(__name__)

#: How long what queues did is remembered.
KEPT = timedelta(hours=25)
KEPT_BY_HOUR = timedelta(days=8)
#: Seconds before the first heartbeat.
SOON = 0.2
#: A message is shown when it has run for so many seconds: of most nothing is written.
LONG = 5.0
#: As many of a worker are shown.
MOST_MESSAGES = 100
#: Outcomes that a minute's row counts with another.
WITH = {"discarded": "deleted", "dead_lettered": "rejected"}
SUMS = ("received", *(each for each in OUTCOMES if each not in WITH), "seconds")


class Recorder:
    """A thread of the process that starts the others."""

    def __init__(self, beside: BesideFleet) -> None:
        self._stats = beside.stats
        self._threads = beside.threads
        self._running = beside.running
        self._written: dict[tuple[str, str], float] = {}
        app: Any = apps.get_app_config("django_sqs_monitor")
        self._period: float = app.record_period
        self._started_at = timezone.now()
        self._recorded_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-recorder", daemon=True)

    def start(self) -> None:
        """Start to record."""
        start_thread(self._thread)

    def stop(self) -> None:
        """Record what is left, and sign off."""
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        pause = SOON
        while True:
            stopping = without_fail(partial(self._stopping.wait, pause))
            pause = self._period
            with forks.asking():
                self._record_or_say(alive=not stopping)
            if stopping:
                return

    def _record_or_say(self, *, alive: bool) -> None:
        try:
            with now_and_then():
                self.record(alive=alive)
        except Error as exc:
            logger.warning(
                "The figures of queues cannot be recorded, trying again: %s",
                told(exc, alias_for_logs(QueueMinute)),
            )
        except Exception:
            logger.exception("The figures of queues cannot be recorded, trying again")

    def record(self, *, alive: bool) -> None:
        """Write what was counted since the last time, and a heartbeat or its end."""
        now = timezone.now()
        minute = now.replace(second=0, microsecond=0)
        clock = time.monotonic()
        elapsed = min(clock - self._recorded_at, 60.0)
        self._recorded_at = clock
        for queue in self._stats.queues:
            totals = {field: self._stats.total(queue, field) for field in SUMS}
            for outcome, field in WITH.items():
                totals[field] += self._stats.total(queue, outcome)
            news = {f: n - self._written.get((queue, f), 0.0) for f, n in totals.items()}
            running = self._stats.total(queue, "running")
            if any(news.values()) or running:
                news["busy"] = running * elapsed
                waited = self._stats.waited(queue)
                hour = minute.replace(minute=0)
                rows = (
                    _row(QueueMinute, queue_name=queue, minute=minute),
                    _row(QueueHour, queue_name=queue, hour=hour),
                )
                # Both or none, so that what is written again counts once.
                with transaction.atomic(using=router.db_for_write(QueueMinute)):
                    for row in rows:
                        _add(row, news, waited)
            # Only now: what could not be written is written the next time.
            self._written.update({(queue, field): n for field, n in totals.items()})
        self._beat(now, alive=alive)

    def _beat(self, now: Any, *, alive: bool) -> None:
        mine: dict[str, Any] = {"host": socket.gethostname()[:100], "pid": os.getpid()}
        if not alive:
            Heartbeat.objects.filter(**mine).delete()
            return
        running = {queue: int(self._stats.total(queue, "running")) for queue in self._stats.queues}
        facts = {
            "started_at": self._started_at,
            "seen_at": now,
            "processes": self._stats.processes,
            "threads": self._threads,
            "running": running,
            "messages": self._messages(now),
            "version": conf.version[:100],
        }
        Heartbeat.objects.update_or_create(**mine, defaults=facts)
        QueueMinute.objects.filter(minute__lt=now - KEPT).delete()
        QueueHour.objects.filter(hour__lt=now - KEPT_BY_HOUR).delete()
        Heartbeat.objects.filter(seen_at__lt=now - KEPT).delete()

    def _messages(self, now: Any) -> list[dict[str, Any]]:
        """What has run for a while, the oldest first, as JSON holds it."""
        clock = time.monotonic()
        found = [each for each in self._running() if clock - each.since >= LONG]
        return [
            {
                "queue": each.queue,
                "id": each.message_id,
                "process": each.process,
                "since": (now - timedelta(seconds=clock - each.since)).isoformat(),
            }
            for each in found[:MOST_MESSAGES]
        ]


def _row(model: type[Did], **key: Any) -> QuerySet[Did]:
    """The row with *key*, which is made where there is none."""
    rows = written(model)
    return rows.filter(pk=rows.get_or_create(**key)[0].pk)


def _add(row: QuerySet[Did], news: Mapping[str, float], waited: float) -> None:
    # Added in the database, where another runreceiver adds, too. A process that was
    # restarted counts on, so nothing ever goes down.
    changes: dict[str, Any] = {field: F(field) + number for field, number in news.items()}
    changes["waited"] = Greatest(F("waited"), Value(waited))
    row.update(**changes)
