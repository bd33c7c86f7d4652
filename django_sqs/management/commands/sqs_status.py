"""manage.py sqs_status: how many messages the queues have."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from django_sqs.inventory import targets
from django_sqs.management.base import QueueCommand
from django_sqs.registry import receivers
from django_sqs_kombu.transport.requests import QueueCounts


class Command(QueueCommand):
    """Prints the approximate counts of SQS."""

    help = (
        "Show the approximate number of messages in the queues registered with django_sqs "
        "and their suffixes: visible, in flight and delayed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each queue; queues that do not exist are not created."""
        chosen = list(targets(receivers.select(options["queue_names"])))
        counted = [(target, target.counts()) for target in chosen]
        if options["format"] == "json":
            rows = [
                {
                    "queue": target.registered.name,
                    "suffix": target.suffix,
                    "name": target.full_name,
                    "exists": counts is not None,
                    "visible": counts.visible if counts else 0,
                    "in_flight": counts.in_flight if counts else 0,
                    "delayed": counts.delayed if counts else 0,
                }
                for target, counts in counted
            ]
            self.stdout.write(json.dumps(rows, indent=2))
            return
        self.stdout.write("\nActive SQS queues\n-----------------\n\n")
        width = max([len(target.label) for target in chosen] or [0]) + 2
        self.stdout.write(_row(width, "queue", "visible", "in flight", "delayed"))
        for target, counts in counted:
            self.stdout.write(_line(width, target.label, counts))


def _line(width: int, label: str, counts: QueueCounts | None) -> str:
    if counts is None:
        return _row(width, label, "-", "-", "-") + "   (does not exist yet)"
    return _row(width, label, counts.visible, counts.in_flight, counts.delayed)


def _row(width: int, label: str, *cells: object) -> str:
    return f"{label:<{width}}" + "".join(f"{cell:>10}" for cell in cells)
