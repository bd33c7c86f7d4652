"""manage.py sqs_redrive: put dead letters back into their queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.counted import counted
from django_sqs.management.base import MOST_MOVED, OneQueueCommand, require_between
from django_sqs.operations import redriving
from django_sqs.operations.choosing import Chosen
from django_sqs.operations.queues import Target, by_name


class Command(OneQueueCommand):
    """Has SQS move the messages, or moves them itself."""

    help = (
        "Move the messages of a dead-letter queue back into their queue; name either of the two. "
        "SQS moves them itself (StartMessageMoveTask) where the server can do that; otherwise "
        "this command does, one by one. It also does so if only some are to be moved, or if "
        "queues share the dead-letter queue: SQS cannot search, so each message is received, and "
        "those that are not to be moved are given back at the end."
    )
    suffix_help = "The queue with this queue name suffix."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--by-hand",
            action="store_true",
            help="Move the messages one by one from here, instead of asking SQS to do it.",
        )
        parser.add_argument(
            "--limit", type=int, help="The most messages to move, one by one. Default: all."
        )
        parser.add_argument(
            "--match",
            metavar="TEXT",
            help="Only those whose body contains this text, case-sensitive.",
        )
        parser.add_argument(
            "--exception",
            metavar="CLASS",
            help="Only those that failed with this exception, with or without its module, as the "
            "dead letter says or django_sqs.failures has noted.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Redrive, and say what was done."""
        require_between(options, "limit", 0, MOST_MOVED)
        target, _ = by_name(options["queue_name"], options["suffix"])
        output = self.output(options)
        dead_letters = target.dead_letters
        about: dict[str, Any] = {"source": dead_letters, "target": target.full_name}
        wanted = _wanted(target, options)
        if not options["by_hand"] and options["limit"] is None and wanted is None:
            task = redriving.start(target)
            if task is not None:
                output.result(
                    {**about, "task": task, "moved": None},
                    f"SQS moves the messages of {dead_letters} to {target.label}.",
                )
                return
            why = (
                "Other queues share the dead-letter queue"
                if redriving.is_shared(target, dead_letters)
                else "This server cannot move the dead letters of one queue itself"
            )
            output.say(f"{why}: moving them one by one.")
        total = target.requests.counts(dead_letters).visible
        limit = total if options["limit"] is None else options["limit"]
        with output.progress(dead_letters, total) as progress:
            done = redriving.by_hand(target, limit=limit, chosen=wanted, progress=progress)
        output.result(
            {**about, "task": None, "moved": done.moved, "left": dict(done.left)},
            f"Moved {counted(done.moved, 'message')} from {dead_letters} to {target.label}.",
        )
        if done.in_the_way:
            output.say(done.in_the_way)


def _wanted(target: Target, options: dict[str, Any]) -> Chosen | None:
    """What the options choose; None: all."""
    for name in ("match", "exception"):
        if options[name] == "":
            # As of a variable that is not set: all would be moved.
            raise CommandError(f"--{name} is empty")
    chosen = Chosen(target, options["match"], options["exception"])
    return chosen if chosen != Chosen(target) else None
