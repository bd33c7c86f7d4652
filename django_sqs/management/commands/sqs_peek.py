"""manage.py sqs_peek: look at messages without taking them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from django.core.management.base import CommandParser

from django_sqs.management.base import OneQueueCommand
from django_sqs.operations.inspection import Inspected, beginnings, inspect
from django_sqs.operations.queues import by_name
from django_sqs_kombu import administration


class Command(OneQueueCommand):
    """Shows the oldest messages that are visible."""

    help = (
        "Show messages of a queue and leave them there. SQS has no request for that: they are "
        "received and given back at once, which counts as a receive."
    )
    suffix_help = "The queue with this queue name suffix."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--count", "-n", type=int, default=10, help="The most messages to show. Default: 10."
        )
        parser.add_argument(
            "--dead-letters",
            action="store_true",
            help="Show those of its dead-letter queue; naming that queue does the same.",
        )
        parser.add_argument(
            "--payloads",
            action="store_true",
            help="Show the beginning of each payload in S3. Default: show only where it is.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        target, dead = by_name(options["queue_name"], options["suffix"])
        name = target.dead_letters if dead or options["dead_letters"] else target.full_name
        messages = administration.peek(target.requests, name, options["count"])
        begun = beginnings(target, messages) if options["payloads"] else {}
        found = [inspect(target, each, begun.get(str(each["MessageId"]))) for each in messages]
        output = self.output(options)
        output.result([each.as_dict() for each in found])
        if output.as_json:
            return
        if not found:
            output.say(f"Queue {name} has no visible message.")
            return
        columns = ["message id", "sent", "receives", "body"]
        if any(each.reason for each in found):
            columns.append("failed with")
        output.table(columns, [_row(each)[: len(columns)] for each in found], title=name)


def _row(message: Inspected) -> tuple[object, ...]:
    sent = ""
    if message.sent_at is not None:
        sent = f"{datetime.fromtimestamp(message.sent_at, timezone.utc):%Y-%m-%d %H:%M:%S}"
    return message.id, sent, message.receive_count, message.shown, message.reason
