"""manage.py sqs_resume: have workers receive again from queues that were paused."""

from __future__ import annotations

from typing import Any

from django_sqs.management.pausing import PauseCommand, as_json


class Command(PauseCommand):
    """Takes the tag off each queue."""

    help = (
        "End the pause of the queues that are named, suffixes included. Workers see it within a "
        "minute, or at once over SQS_WAKE."
    )
    verb = "Resume"

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume."""
        output = self.output(options)
        done = []
        for target in self.existing(options):
            target.registered.resume(suffix=target.suffix)
            # A breaker's pause is not a person's to end.
            left = target.registered.paused(suffix=target.suffix)
            done.append(as_json(target, left))
            if left is None:
                output.say(f"Queue {target.label} is resumed.")
            else:
                output.say(f"Queue {target.label} is still paused by its breaker: {left}")
        output.result(done)
