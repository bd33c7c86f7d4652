"""manage.py sqs_prune_inbox: forgets messages that SQS cannot deliver any more."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from django_sqs.inbox.models import ReceivedMessage
from django_sqs.management.prune import PruneCommand


class Command(PruneCommand):
    """Deletes old rows of the inbox."""

    help = "Forget messages received more than --days days ago; SQS keeps none for over 14."
    days = 15
    noun = "note of a received message"

    def older_than(self, moment: Any) -> QuerySet[ReceivedMessage]:
        """Messages received before *moment*."""
        return ReceivedMessage.objects.filter(received_at__lt=moment).order_by("received_at")
