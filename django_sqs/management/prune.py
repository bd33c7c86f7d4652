"""PruneCommand: deletes rows of a table that are older than so many days."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import Any, ClassVar

from django.core.management.base import CommandParser
from django.db import router
from django.db.models import Model, QuerySet
from django.utils import timezone

from ..counted import counted
from .base import SQSCommand, require_between

#: Rows deleted in one statement, so that none locks the table for long.
BATCH = 1_000
#: A century; dates do not go back for ever.
MOST_DAYS = 36_500


class PruneCommand(SQSCommand):
    """Deletes old rows, a batch at a time.

    :cvar days: the default of ``--days``.
    :cvar noun: of one row.
    """

    days: ClassVar[float]
    noun: ClassVar[str]

    @abstractmethod
    def older_than(self, moment: Any) -> QuerySet[Model]:
        """The rows to delete."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        parser.add_argument(
            "--days", type=float, default=self.days, help=f"Default: {self.days:g}."
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say how many."""
        require_between(options, "days", 0, MOST_DAYS)
        old = self.older_than(timezone.now() - timedelta(days=options["days"]))
        # A replica would go on showing what is deleted.
        using = router.db_for_write(old.model)
        old = old.using(using)
        count = 0
        while ids := list(old.values_list("pk", flat=True)[:BATCH]):
            # By then some may be old no more: a worker has changed them meanwhile.
            _, deleted = old.filter(pk__in=ids).order_by().delete()
            count += deleted.get(old.model._meta.label, 0)
        self.output(options).result({"deleted": count}, f"Deleted {counted(count, self.noun)}.")
