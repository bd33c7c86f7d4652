"""manage.py sqs_prune_results: deletes the results of tasks that finished long ago."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from django_sqs.management.prune import PruneCommand
from django_sqs.results.models import TaskRecord


class Command(PruneCommand):
    """Deletes old results; those of tasks that are not finished stay."""

    help = "Delete the results of tasks that finished more than --days days ago."
    days = 14
    done = "Deleted {} task results."

    def older_than(self, moment: Any) -> QuerySet[TaskRecord]:
        """Results of tasks that finished before *moment*."""
        return TaskRecord.objects.filter(finished_at__lte=moment).order_by("finished_at")
