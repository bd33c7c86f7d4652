"""manage.py sqs_prune_tickets: forgets tickets whose messages are gone."""

from __future__ import annotations

import time
from typing import Any

from django.db import router
from django.db.models import QuerySet

from django_sqs.management.prune import PruneCommand
from django_sqs.tickets.models import UniqueKey, UsedTicket


class Command(PruneCommand):
    """Deletes old rows of the tickets."""

    help = (
        "Forget tickets that were used more than --days days ago. SQS keeps a message for 14 days "
        "at most, and it may have been delayed for 14. One that is forgotten counts as unused."
    )
    days = 60
    noun = "used ticket"

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete them, and keys whose time is over."""
        rows = UniqueKey._base_manager.using(router.db_for_write(UniqueKey))
        rows.filter(expires__lt=time.time()).delete()
        super().handle(*args, **options)

    def older_than(self, moment: Any) -> QuerySet[UsedTicket]:
        """Tickets used before *moment*."""
        return UsedTicket.objects.filter(used_at__lt=moment).order_by("used_at")
