"""manage.py sqs_prune_inbox: forgets messages that SQS cannot deliver any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from django_sqs.inbox.models import ReceivedMessage

#: The longest that SQS keeps a message, in days.
RETENTION = 14


class Command(BaseCommand):
    """Deletes old rows of the inbox."""

    help = "Forget messages received more than --days days ago; SQS keeps none for over 14."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        parser.add_argument("--days", type=float, default=RETENTION + 1, help="Default: 15.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say how many."""
        if options["days"] < 0:
            raise CommandError(f"--days must be 0 or more, not {options['days']:g}.")
        before = timezone.now() - timedelta(days=options["days"])
        count, _ = ReceivedMessage.objects.filter(received_at__lt=before).delete()
        self.stdout.write(f"Forgot {count} messages.")
