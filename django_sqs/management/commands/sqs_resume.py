"""manage.py sqs_resume: have workers receive again from queues that were paused."""

from __future__ import annotations

from typing import Any

from django_sqs.management.pausing import PauseCommand, as_json
from django_sqs.operations.resuming import resume


class Command(PauseCommand):
    """Takes the tag off each queue."""

    help = (
        "End the pause of the named queues, suffixes included. Workers see it within a "
        "minute, or at once over SQS_WAKE."
    )
    verb = "Resume"

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume."""
        output = self.output(options)
        done = []
        for target in self.existing(options):
            left, said = resume(target)
            done.append(as_json(target, left))
            output.say(said)
        output.result(done)
