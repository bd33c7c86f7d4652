"""manage.py sqs_status: how many messages the queues have."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.management.base import QueueCommand, stop_by_signals
from django_sqs.management.output import Output
from django_sqs.operations.queues import Target, targets
from django_sqs.registry import receivers
from django_sqs_kombu.transport import QueueCounts

COLUMNS = ("queue", "visible", "in flight", "delayed")


class Command(QueueCommand):
    """Prints the approximate counts of SQS."""

    help = (
        "Show the approximate number of messages in the queues registered with django_sqs "
        "and their suffixes: visible, in flight and delayed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--watch",
            type=float,
            metavar="SECONDS",
            help="Show them again and again, until interrupted.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each queue; queues that do not exist are not created."""
        chosen = list(targets(receivers.select(options["queue_names"])))
        output = self.output(options)
        pause = options["watch"]
        if pause is None:
            self._show(chosen, output)
            return
        if pause <= 0:
            raise CommandError(f"--watch must be above 0, not {pause:g}")
        stopping = stop_by_signals()
        while not stopping.is_set():
            output.clear()
            self._show(chosen, output)
            self.stdout.flush()
            stopping.wait(pause)

    def _show(self, chosen: list[Target], output: Output) -> None:
        counted = [(target, target.counts()) for target in chosen]
        output.result([_as_json(target, counts) for target, counts in counted])
        if not output.as_json:
            rows = [_row(target.label, counts) for target, counts in counted]
            output.table(COLUMNS, rows, title="Active SQS queues", numbers=3)
            missing = [target.label for target, counts in counted if counts is None]
            if missing:
                output.say(f"\nMarked '-': does not exist yet ({', '.join(missing)}).")


def _row(label: str, counts: QueueCounts | None) -> tuple[object, ...]:
    if counts is None:
        return label, "-", "-", "-"
    return label, counts.visible, counts.in_flight, counts.delayed


def _as_json(target: Target, counts: QueueCounts | None) -> dict[str, object]:
    return {
        "queue": target.registered.name,
        "suffix": target.suffix,
        "name": target.full_name,
        "exists": counts is not None,
        "visible": counts.visible if counts else 0,
        "in_flight": counts.in_flight if counts else 0,
        "delayed": counts.delayed if counts else 0,
    }
