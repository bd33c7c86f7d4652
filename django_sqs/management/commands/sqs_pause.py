"""manage.py sqs_pause: have nobody receive from queues."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from django_sqs.management.pausing import PauseCommand, as_json, length


class Command(PauseCommand):
    """Puts a tag on each queue, which workers look at."""

    help = (
        "Pause the named queues, suffixes included: no worker on any host receives from them "
        "until sqs_resume, or for as long as --for says. What is sent waits in the queue; "
        "receivers that are running finish. The pause is a tag of the queue in SQS: workers see "
        "it within a minute, or at once over SQS_WAKE, and it outlasts deployments."
    )
    verb = "Pause"

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--for",
            type=length,
            metavar="LENGTH",
            help="End the pause automatically after this time: 90s, 30m, 1h30m, 2d; up to a year.",
        )
        parser.add_argument("--reason", default="", help="The reason, for people to read.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause, and say until when."""
        output = self.output(options)
        done = []
        for target in self.existing(options):
            pause = target.registered.pause(
                options["for"], reason=options["reason"], suffix=target.suffix
            )
            done.append(as_json(target, pause))
            output.say(f"Queue {target.label} is paused: {pause}.")
        output.result(done)
