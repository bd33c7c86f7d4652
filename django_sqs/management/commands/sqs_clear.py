"""manage.py sqs_clear: delete all messages of queues."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.inventory import Target, targets
from django_sqs.management.base import QueueCommand
from django_sqs.registry import receivers
from django_sqs_kombu.transport.requests import QueueCounts

BAR = 30


class Command(QueueCommand):
    """Deletes messages and says how many."""

    help = (
        "Delete all messages of the queues registered with django_sqs, or of those named, "
        "their suffixes included. Messages in flight are not reached: run it again later."
    )
    suffix_help = "Only the queues with this queue name suffix."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--purge",
            action="store_true",
            help="Use PurgeQueue: one request, which also deletes messages in flight; SQS "
            "allows it once in 60 seconds and takes as long.",
        )
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Do not ask before anything is deleted.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, then clear queue by queue."""
        chosen = [
            (target, counts)
            for target in targets(receivers.select(options["queue_names"]), options["suffix"])
            if (counts := target.counts()) is not None
        ]
        if not chosen:
            self.stdout.write("None of the queues exists in SQS: there is nothing to clear.")
            return
        if options["interactive"]:
            self._ask([target for target, _ in chosen])
        for target, counts in chosen:
            self._purge(target, counts) if options["purge"] else self._clear(target, counts)

    def _ask(self, chosen: list[Target]) -> None:
        names = "\n".join(f"    {target.full_name}" for target in chosen)
        question = f"All messages of these queues will be deleted:\n{names}\nType 'yes' to go on: "
        try:
            answer = input(question)
        except EOFError:
            raise CommandError("Nobody to ask, nothing was deleted. Use --no-input.") from None
        if answer.strip() != "yes":
            raise CommandError("Nothing was deleted.")

    def _purge(self, target: Target, counts: QueueCounts) -> None:
        target.requests.call("PurgeQueue", target.full_name)
        self.stdout.write(f"Queue {target.label}: purged of about {counts.total} messages.")

    def _clear(self, target: Target, counts: QueueCounts) -> None:
        deleted = 0
        for number in target.requests.clear(target.full_name):
            deleted += number
            self._progress(target.label, deleted, counts.visible)
        self.stdout.write(f"Queue {target.label}: {deleted} deleted.")
        left = target.counts()
        if left is not None and left.in_flight:
            self.stdout.write(
                f"    {left.in_flight} in flight were not reached; run the command again later."
            )
        if left is not None and left.delayed:
            self.stdout.write(f"    {left.delayed} delayed were not reached.")

    def _progress(self, label: str, deleted: int, total: int) -> None:
        if not self.stdout.isatty():
            return
        share = min(1.0, deleted / total) if total else 1.0
        bar = "#" * int(BAR * share)
        self.stdout.write(
            f"\r{label} [{bar:<{BAR}}] {deleted}/{max(total, deleted)}",
            ending="\n" if share == 1.0 else "",
        )
        self.stdout.flush()
