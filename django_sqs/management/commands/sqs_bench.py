"""manage.py sqs_bench: measure the project's own SQS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from django_sqs.management.base import SQSCommand, require_between
from django_sqs.management.output import Output
from django_sqs.operations.bench import Measured, measure
from django_sqs_kombu.quotas import MAX_MESSAGE_BYTES

MOST_MESSAGES = 100_000


class Command(SQSCommand):
    """Sends messages to a queue of its own, receives them, and tells speed and cost."""

    help = (
        "Measure how fast messages go through SQS with the project's settings, and how many "
        "requests that takes. It creates a queue of its own and deletes it; the project's queues "
        "are not touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        parser.add_argument(
            "--messages", type=int, default=1000, help="Number of messages. Default: 1000."
        )
        parser.add_argument(
            "--size", type=int, default=200, help="Size of a message in bytes. Default: 200."
        )
        parser.add_argument(
            "--threads", type=int, default=10, help="Number of receivers. Default: 10."
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and tell."""
        require_between(options, "messages", 1, MOST_MESSAGES)
        require_between(options, "threads", 1, 100)
        require_between(options, "size", 1, MAX_MESSAGE_BYTES // 2)
        measured = measure(options["messages"], options["size"], options["threads"])
        output = self.output(options)
        output.result(measured.as_dict())
        if not output.as_json:
            _tell(output, measured)


def _tell(output: Output, measured: Measured) -> None:
    count = measured.messages
    output.table(
        ("", "messages/s", "requests", "requests/message"),
        [
            _row("send_many", count, measured.send_seconds, measured.send_requests),
            _row("receive and delete", count, measured.receive_seconds, measured.receive_requests),
        ],
        title=f"{count} messages of {measured.size} bytes",
        numbers=3,
    )
    output.say(
        f"\nA million messages: {measured.requests_per_message:.2f} million requests, "
        f"${measured.dollars_per_million:.2f} at AWS's price for standard queues."
    )


def _row(label: str, count: int, seconds: float, requests: int) -> tuple[object, ...]:
    return label, f"{count / seconds:.0f}", requests, f"{requests / count:.3f}"
