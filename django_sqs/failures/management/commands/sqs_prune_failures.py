"""manage.py sqs_prune_failures: delete failed messages that are old."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import router
from django.db.models import Count, QuerySet

from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.management.prune import PruneCommand


def _count_anew(using: str) -> None:
    """Count what waits in each group."""
    waiting = Failure.objects.using(using).filter(state__in=(State.WAITING, State.SENDING))
    counts = dict(waiting.values_list("group").annotate(Count("pk")).order_by())
    groups = FailureGroup.objects.using(using)
    for key in groups.filter(waiting__gt=0).values_list("pk", flat=True):
        groups.filter(pk=key).update(waiting=counts.get(key, 0))


class Command(PruneCommand):
    """Deletes those decided about or left to SQS, and with ``--waiting`` the others, too."""

    help = (
        "Delete failed messages that are older than --days, and groups without any: those that "
        "were sent again, discarded or left to SQS. Those that wait for a decision exist nowhere "
        "else and are kept, unless --waiting is given."
    )
    days = 30
    noun = "failed message"

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--waiting", action="store_true", help="Delete those that wait for a decision, too."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say how many."""
        self._waiting = options["waiting"]
        super().handle(*args, **options)
        using = router.db_for_write(Failure)
        if self._waiting:
            _count_anew(using)
        FailureGroup.objects.using(using).filter(failures__isnull=True).delete()

    def older_than(self, moment: Any) -> QuerySet[Failure]:
        """Those that failed before."""
        old = Failure.objects.filter(failed_at__lt=moment)
        return old if self._waiting else old.exclude(state__in=(State.WAITING, State.SENDING))
