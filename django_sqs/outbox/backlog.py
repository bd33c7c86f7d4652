"""Backlog: how much waits in the outbox, since when, and what has failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Min, Q

from django_sqs_kombu.logs import get_logger

from ..clocks import seconds_since
from ..connections import leaving_no_connection
from ..not_migrated import told
from ..optional import Gauge
from .databases import Tables
from .models import OutboxMessage

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one database has for one queue.

    :param waiting: rows that are to be sent.
    :param failed: rows that are not sent any more.
    :param age: seconds since the oldest of those that wait was written; 0: there are none.
    """

    queue_name: str
    waiting: int
    failed: int
    age: float


def backlog(database: str) -> list[Backlog]:
    """What *database* has for each queue that it has anything for."""
    rows = OutboxMessage._base_manager.using(database).order_by("queue_name")
    found = rows.values("queue_name").annotate(
        waiting=Count("pk", filter=Q(failed_at=None)),
        failed=Count("pk", filter=Q(failed_at__isnull=False)),
        oldest=Min("created_at", filter=Q(failed_at=None)),
    )
    return [
        Backlog(
            row["queue_name"],
            row["waiting"],
            row["failed"],
            0.0 if row["oldest"] is None else seconds_since(row["oldest"]),
        )
        for row in found
    ]


def gauges() -> Iterator[Gauge]:
    """The metrics of the outbox, all databases together."""
    counts = Gauge(
        "django_sqs_outbox_messages",
        "Messages in the outbox: waiting to be sent, or failed.",
        ("queue", "state"),
    )
    ages = Gauge(
        "django_sqs_outbox_age_seconds",
        "Seconds that the oldest message in the outbox has waited to be sent.",
        ("queue",),
    )
    # The thread is one of a server's, which nobody looks after.
    for each in leaving_no_connection(_everywhere):
        for state, number in (("waiting", each.waiting), ("failed", each.failed)):
            key = (each.queue_name, state)
            counts.values[key] = counts.values.get(key, 0) + number
        age = (each.queue_name,)
        ages.values[age] = max(ages.values.get(age, 0.0), each.age)
    yield from (counts, ages)


def _everywhere() -> list[Backlog]:
    found: list[Backlog] = []
    for database in Tables().databases():
        try:
            found += backlog(database)
        except Exception as exc:  # noqa: BLE001 - whatever a backend may raise
            logger.warning(
                "The messages in the outbox of database %r cannot be counted: %s",
                database,
                told(exc, database),
            )
    return found
