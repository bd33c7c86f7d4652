"""manage.py sqs_bury: take dead letters out of SQS and keep them in the database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.failures.burying import bury, dead_letters_of
from django_sqs.management.base import MOST_MOVED, QueueCommand, require_between
from django_sqs.operations.queues import targets
from django_sqs.registry import receivers
from django_sqs_kombu.exceptions import SQSError


class Command(QueueCommand):
    """Moves dead letters into the table of failures."""

    help = (
        "Move the dead letters of the named queues, or of all, from SQS, which deletes them "
        "after 14 days at most, to the failed messages in the database. Each is deleted from SQS "
        "only after it was stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--limit", type=int, default=MOST_MOVED, help="The most messages to move. Default: all."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Bury, and say how many."""
        require_between(options, "limit", 0, MOST_MOVED)
        output = self.output(options)
        known: set[str] = set()
        done, errors, left = [], [], options["limit"]
        for target in targets(receivers.select(options["queue_names"])):
            count = 0
            try:
                if (dead_letters := dead_letters_of(target)) is None or dead_letters in known:
                    continue
                known.add(dead_letters)
                for number in bury(target, limit=left):
                    count += number
            except SQSError as exc:
                # Those of others are taken out all the same: SQS deletes them in the end.
                errors.append(f"Queue {target.label}: {exc}")
                if not count:
                    continue
            left -= count
            done.append({"name": target.full_name, "buried": count})
            output.say(f"Queue {target.label}: {count} dead letters are kept here now.")
        if not (done or errors) and options["queue_names"]:
            raise CommandError("None of these queues has a dead-letter queue.")
        output.result(done)
        if errors:
            raise CommandError("\n".join(errors))
