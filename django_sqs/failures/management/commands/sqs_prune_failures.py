"""manage.py sqs_prune_failures: delete failed messages that are old."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import router, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.management.prune import BATCH, PruneCommand


def _count_anew(using: str) -> None:
    """Count what waits in each group."""
    groups = FailureGroup.objects.using(using)
    waiting = Failure.objects.using(using).filter(state__in=(State.WAITING, State.SENDING))
    for key in list(groups.filter(waiting__gt=0).values_list("pk", flat=True)):
        with transaction.atomic(using=using):
            own = groups.filter(pk=key)
            # Its row is ours from here on: a worker that writes a failure counts it afterwards.
            own.update(waiting=F("waiting"))
            own.update(waiting=waiting.filter(group=key).count())


def _delete_empty_groups(using: str) -> None:
    """Delete groups without any failure, and no failure that a worker writes meanwhile."""
    noted = Failure.objects.using(using).filter(group=OuterRef("pk"))
    empty = FailureGroup.objects.using(using).filter(~Exists(noted)).order_by("pk")
    after: int | None = 0
    while after is not None:
        with transaction.atomic(using=using):
            # On SQLite who has read before they write fails at once if somebody else writes.
            FailureGroup.objects.using(using).filter(pk=0).update(waiting=0)
            some = empty.filter(pk__gt=after).select_for_update().values_list("pk", flat=True)
            keys = list(some[:BATCH])
            # Who writes one changes its group first, so none comes from here on. One may have come
            # while the groups were waited for.
            empty.filter(pk__in=keys).order_by().delete()
        after = keys[-1] if keys else None


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
        _delete_empty_groups(using)

    def older_than(self, moment: Any) -> QuerySet[Failure]:
        """Those that failed before."""
        old = Failure.objects.filter(failed_at__lt=moment)
        return old if self._waiting else old.exclude(state__in=(State.WAITING, State.SENDING))
