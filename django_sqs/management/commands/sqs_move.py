"""manage.py sqs_move: move messages from one queue to another."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.counted import counted
from django_sqs.management.base import MOST_MOVED, QueueCommand, require_between
from django_sqs.operations.queues import Target
from django_sqs.registry import receivers
from django_sqs_kombu import administration


class Command(QueueCommand):
    """Moves messages, one request for each ten."""

    help = (
        "Move the visible messages of one registered queue to another. A message is deleted "
        "only after the other queue has it."
    )

    def add_queue_argument(self, parser: CommandParser) -> None:
        """Define ``source`` and ``target``."""
        parser.add_argument("source", help="The queue to move from.")
        parser.add_argument("target", help="The queue to move to.")

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument("--from-suffix", help="Queue name suffix of the source.")
        parser.add_argument("--to-suffix", help="Queue name suffix of the target.")
        parser.add_argument("--limit", type=int, help="The most messages to move. Default: all.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Move, and say how many."""
        require_between(options, "limit", 0, MOST_MOVED)
        source = Target(receivers.get(options["source"]), options["from_suffix"])
        target = Target(receivers.get(options["target"]), options["to_suffix"])
        counts = source.counts()
        if counts is None:
            raise CommandError(f"Queue {source.full_name!r} does not exist in SQS.")
        limit = counts.visible if options["limit"] is None else options["limit"]
        target.declare()
        output = self.output(options)
        with output.progress(source.label, min(limit, counts.visible)) as progress:
            moved = administration.move(
                source.requests, source.full_name, target.full_name, limit=limit, progress=progress
            )
        output.result(
            {"source": source.full_name, "target": target.full_name, "moved": moved},
            f"Moved {counted(moved, 'message')} from {source.label} to {target.label}.",
        )
