"""manage.py sqs_prune_results: deletes the results of tasks that finished long ago."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from django_sqs.conf import conf
from django_sqs.management.prune import PruneCommand
from django_sqs.results.lost import end_lost_results
from django_sqs.results.models import TaskRecord


class Command(PruneCommand):
    """Deletes old results; those of tasks that never end are ended first."""

    help = (
        "Delete the results of tasks that finished more than --days days ago. Tasks without a "
        "sign of life for SQS_RESULTS_LOST_AFTER days are marked as failed."
    )
    days = 14
    noun = "task result"

    def handle(self, *args: Any, **options: Any) -> None:
        """End what is lost, delete what is old, and say how many."""
        ended = end_lost_results(conf.results_lost_after)
        if ended:
            self.stderr.write(f"{ended} tasks that never ended are marked as failed.")
        super().handle(*args, **options)

    def older_than(self, moment: Any) -> QuerySet[TaskRecord]:
        """Results of tasks that finished before *moment*."""
        return TaskRecord.objects.filter(finished_at__lte=moment).order_by("finished_at")
