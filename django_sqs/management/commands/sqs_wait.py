"""manage.py sqs_wait: wait until queues are empty."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.conf import conf
from django_sqs.management.base import QueueCommand, require_between
from django_sqs.operations.queues import Target, targets
from django_sqs.registry import receivers
from django_sqs.worker import exit_codes

#: Seconds, and wait times, that it may be told to wait: months.
LONGEST = 10_000_000


class Command(QueueCommand):
    """Looks at the queues again and again."""

    help = (
        "Wait until the queues registered with django_sqs, or those named, are empty and every "
        "message is done: none visible, none in flight and none delayed. Exit codes: 0 empty, 3 "
        "not empty within --timeout."
    )
    suffix_help = "Only the queues with this queue name suffix."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--wait-time",
            "-t",
            type=float,
            metavar="SECONDS",
            help="Time between two checks. Default: SQS_WAIT_TIME, else 60.",
        )
        parser.add_argument(
            "--wait-cycles",
            "-c",
            type=int,
            metavar="N",
            help="Wait times for which the queues must stay empty; SQS's counts are "
            "approximate. 0: end at the first check. Default: SQS_WAIT_CYCLES, else 1.",
        )
        parser.add_argument(
            "--timeout", type=float, metavar="SECONDS", help="Give up after this time."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait."""
        for name in ("wait_time", "wait_cycles", "timeout"):
            require_between(options, name, 0, LONGEST)
        wait_time, wait_cycles, timeout = map(options.get, ("wait_time", "wait_cycles", "timeout"))
        wait_time = conf.wait_time if wait_time is None else wait_time
        wait_cycles = conf.wait_cycles if wait_cycles is None else wait_cycles
        deadline = None if timeout is None else time.monotonic() + timeout
        chosen = list(targets(receivers.select(options["queue_names"]), options["suffix"]))
        started = time.monotonic()
        self._wait(chosen, wait_time, wait_cycles, deadline, options["verbosity"])
        self.output(options).result(
            {
                "empty": [target.full_name for target in chosen],
                "seconds": round(time.monotonic() - started, 3),
            }
        )

    def _wait(
        self,
        chosen: list[Target],
        wait_time: float,
        wait_cycles: int,
        deadline: float | None,
        verbosity: int,
    ) -> None:
        empty_cycles = -1
        while True:
            busy = self._first_busy(chosen)
            empty_cycles = -1 if busy else empty_cycles + 1
            if verbosity > 1:
                self.stdout.write(busy or f"Empty for {empty_cycles} of {wait_cycles} wait times.")
            if empty_cycles >= wait_cycles:
                return
            pause = wait_time
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CommandError(
                        f"Timed out. {busy or 'The queues were not empty for long enough.'}",
                        returncode=exit_codes.NOT_EMPTY,
                    )
                pause = min(pause, left)
            time.sleep(pause)

    def _first_busy(self, chosen: list[Target]) -> str | None:
        for target in chosen:
            counts = target.counts()
            if counts is not None and counts.total:
                return (
                    f"Queue {target.label} has {counts.visible} visible, {counts.in_flight} in "
                    f"flight and {counts.delayed} delayed messages."
                )
        return None
