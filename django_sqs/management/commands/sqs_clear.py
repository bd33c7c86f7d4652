"""manage.py sqs_clear: delete all messages of queues."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.counted import counted
from django_sqs.management.base import QueueCommand
from django_sqs.management.output import Output
from django_sqs.operations.queues import Target, targets
from django_sqs.registry import receivers
from django_sqs_kombu.transport import QueueCounts


class Command(QueueCommand):
    """Deletes messages and says how many."""

    help = (
        "Delete all messages of the queues registered with django_sqs, or of those named, "
        "their suffixes included. Messages in flight are not deleted: run it again later."
    )
    suffix_help = "Only the queues with this queue name suffix."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--purge",
            action="store_true",
            help="Use PurgeQueue: one request, which also deletes messages in flight; SQS allows "
            "it once in 60 seconds, and takes up to that long.",
        )
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Delete without asking first.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, then clear queue by queue."""
        chosen = [
            (target, counts)
            for target in targets(receivers.select(options["queue_names"]), options["suffix"])
            if (counts := target.counts()) is not None
        ]
        if not chosen:
            text = "None of the queues exists in SQS: there is nothing to clear."
            self.output(options).result([], text)
            return
        if options["interactive"]:
            self._ask([target for target, _ in chosen])
        output = self.output(options)
        act = self._purge if options["purge"] else self._clear
        done = [act(target, counts, output) for target, counts in chosen]
        output.result(done)

    def _ask(self, chosen: list[Target]) -> None:
        names = "\n".join(f"    {target.full_name}" for target in chosen)
        question = (
            f"All messages of these queues will be deleted:\n{names}\nType 'yes' to continue: "
        )
        try:
            # What is found goes to standard output, which may be read by a program.
            self.stderr.write(question, self.style.NOTICE, ending="")
            self.stderr.flush()
            answer = input()
        except EOFError:
            raise CommandError(
                "There is no terminal to ask on, so nothing was deleted. Use --no-input to "
                "delete without asking."
            ) from None
        if answer.strip() != "yes":
            raise CommandError("Nothing was deleted.")

    def _purge(self, target: Target, counts: QueueCounts, output: Output) -> dict[str, object]:
        target.requests.call("PurgeQueue", target.full_name)
        output.say(f"Queue {target.label}: purged of about {counted(counts.total, 'message')}.")
        return {"name": target.full_name, "deleted": counts.total, "in_flight": 0, "delayed": 0}

    def _clear(self, target: Target, counts: QueueCounts, output: Output) -> dict[str, object]:
        deleted = 0
        with output.progress(target.label, counts.visible) as progress:
            for number in target.clear():
                deleted += number
                progress(deleted)
        output.say(f"Queue {target.label}: {deleted} deleted.")
        left = target.counts() or QueueCounts(0, 0, 0)
        if left.in_flight:
            output.say(
                f"    {left.in_flight} in flight were not deleted; run the command again later."
            )
        if left.delayed:
            output.say(f"    {left.delayed} delayed were not deleted.")
        return {
            "name": target.full_name,
            "deleted": deleted,
            "in_flight": left.in_flight,
            "delayed": left.delayed,
        }
