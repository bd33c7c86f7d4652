"""Lost results: those of tasks whose message is gone, without anybody having seen its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from ..storable import error_entry
from ..written import written
from .models import TaskRecord
from .statements import UNFINISHED


class TaskLost(Exception):
    """Nothing was seen of a task for longer than SQS keeps its message."""


#: Results that are read at once.
BATCH = 500


def end_lost_results(days: float) -> int:
    """End as failed what has shown no sign of life for so many *days*; return how many.

    It was enqueued, attempted last and due before that.  Its message was deleted by hand, its
    queue purged, or it is among the dead letters.
    """
    moment = timezone.now() - timedelta(days=days)
    records = written(TaskRecord)
    text = (
        f"There was no sign of life from this task for {days:g} days, so its message must be lost."
    )
    error = error_entry(TaskLost, text)
    ended = 0
    while found := list(_lost(records, moment)[:BATCH]):
        for record in found:
            same = {"status": record.status, "last_attempted_at": record.last_attempted_at}
            ended += records.filter(pk=record.pk, **same).update(
                status="FAILED", finished_at=timezone.now(), errors=[*record.errors, error]
            )
    return ended


def _lost(records: QuerySet[TaskRecord], moment: datetime) -> QuerySet[TaskRecord]:
    return records.filter(
        Q(run_after__isnull=True) | Q(run_after__lte=moment),
        Q(last_attempted_at__isnull=True) | Q(last_attempted_at__lte=moment),
        finished_at__isnull=True,
        status__in=UNFINISHED,
        enqueued_at__lte=moment,
    ).only("status", "last_attempted_at", "errors")
