"""manage.py sqs_schedules: what is sent when, by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.management.base import SQSCommand
from django_sqs.schedules.firing import (
    Scheduled,
    database,
    know,
    last_slots,
    pause,
    resume,
    scheduled,
)
from django_sqs.schedules.models import KnownSchedule
from django_sqs_kombu.printable import meant
from django_sqs_kombu.working import UTC, Schedule


class Command(SQSCommand):
    """Lists the schedules, runs one now, pauses and resumes."""

    help = (
        "List the queues that are registered with a schedule, and the tasks that have one, with "
        "the next slot and the last one that was sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--run",
            metavar="NAME",
            help="Send this queue's message, or enqueue this task, now, in addition to its slots.",
        )
        which.add_argument("--pause", metavar="NAME", help="Stop sending its slots until --resume.")
        which.add_argument(
            "--resume",
            metavar="NAME",
            help="Send its slots again, from the next one on.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how the schedules are."""
        now = datetime.now(UTC)
        if options["run"]:
            queue, _ = _named(options["run"])
            queue.write_slot(now, database())
            self.output(options).result({"run": queue.name}, f"Queue {queue.name}: sent.")
        elif options["pause"] or options["resume"]:
            queue, _ = _named(options["pause"] or options["resume"])
            know(now)
            if options["pause"]:
                pause(queue.name)
            else:
                resume(queue.name, now)
            how = "paused" if options["pause"] else "resumed"
            self.output(options).result({how: queue.name}, f"Queue {queue.name}: {how}.")
        else:
            self._list(now, options)

    def _list(self, now: datetime, options: dict[str, Any]) -> None:
        queues = scheduled()
        last = last_slots(queue.name for queue, _ in queues)
        known = KnownSchedule.objects.using(database())
        paused = set(known.filter(paused=True).values_list("name", flat=True))
        found = [
            {
                "queue": queue.name,
                "schedule": schedule.definition,
                "next": None if queue.name in paused else schedule.next(now).isoformat(),
                "last": last[queue.name].isoformat() if queue.name in last else None,
                "paused": queue.name in paused,
            }
            for queue, schedule in queues
        ]
        output = self.output(options)
        if output.as_json:
            output.result(found)
        elif not found:
            output.say("No queue is registered with a schedule.")
        else:
            rows = [
                (
                    each["queue"],
                    each["schedule"],
                    "paused" if each["paused"] else each["next"],
                    each["last"] or "never",
                )
                for each in found
            ]
            output.table(("queue", "schedule", "next", "last sent"), rows)


def _named(name: str) -> tuple[Scheduled, Schedule]:
    found = {queue.name: (queue, schedule) for queue, schedule in scheduled()}
    if name in found:
        return found[name]
    raise CommandError(
        f"No queue {name!r} has a schedule, and no task of that name (scheduled: "
        f"{', '.join(found) or 'none'}).{meant(name, found)}"
    )
