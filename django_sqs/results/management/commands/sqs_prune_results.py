"""manage.py sqs_prune_results: deletes the results of tasks that finished long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from django_sqs.results.models import TaskRecord

#: Rows deleted in one statement.
BATCH = 1_000


class Command(BaseCommand):
    """Deletes old results; those of tasks that are not finished stay."""

    help = "Delete the results of tasks that finished more than --days days ago."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        parser.add_argument("--days", type=float, default=14, help="Default: 14.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, a batch at a time, and say how many."""
        if options["days"] < 0:
            raise CommandError(f"--days must be 0 or more, not {options['days']:g}.")
        old = TaskRecord.objects.filter(
            finished_at__lte=timezone.now() - timedelta(days=options["days"])
        ).order_by("finished_at")
        count = 0
        while ids := list(old.values_list("pk", flat=True)[:BATCH]):
            TaskRecord.objects.filter(pk__in=ids).delete()
            count += len(ids)
        self.stdout.write(f"Deleted {count} task results.")
