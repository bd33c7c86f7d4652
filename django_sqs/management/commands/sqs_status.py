"""manage.py sqs_status: how many messages the queues have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.management.base import QueueCommand, require_between
from django_sqs.management.output import Output
from django_sqs.management.pausing import facts
from django_sqs.management.stopping import stop_by_signals
from django_sqs.operations.queues import Target, targets
from django_sqs.operations.states import QueueState, states
from django_sqs.registry import receivers
from django_sqs_kombu.administration import MOST_PEEKED, peek
from django_sqs_kombu.exceptions import QueueDoesNotExist
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.transport import group_of
from django_sqs_kombu.working import told

#: Seconds between two looks, at most: a day.
LONGEST_PAUSE = 86_400
COLUMNS = ("queue", "visible", "in flight", "delayed", "dead letters")


class Command(QueueCommand):
    """Prints the approximate counts of SQS."""

    help = (
        "Show the approximate number of messages in the queues registered with django_sqs and "
        "their suffixes: visible, in flight, delayed, and in the dead-letter queue, and which "
        "queues are paused; or, with --policy, what becomes of their messages."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--watch",
            type=float,
            metavar="SECONDS",
            help="Keep refreshing until interrupted.",
        )
        parser.add_argument(
            "--policy",
            action="store_true",
            help="Show what becomes of a message, depending on what its receiver raises; no "
            "request is sent.",
        )

        parser.add_argument(
            "--tenants",
            type=int,
            metavar="COUNT",
            help="Show which message groups up to N messages of each queue belong to, 200 at "
            "most. They are received and given back, which counts as a receive.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each queue; queues that do not exist are not created."""
        require_between(options, "watch", 0, LONGEST_PAUSE, above=True)
        require_between(options, "tenants", 1, MOST_PEEKED)
        chosen = list(targets(receivers.select(options["queue_names"])))
        output = self.output(options)
        if options["policy"]:
            self._show_policies(receivers.select(options["queue_names"]), output)
            return
        if options["tenants"] is not None:
            self._show_tenants(chosen, options["tenants"], output)
            return
        pause = options["watch"]
        if pause is None:
            if errors := self._show(chosen, output):
                raise CommandError("\n".join(errors))
            return
        stopping = stop_by_signals()
        while not stopping.is_set():
            output.clear()
            for error in self._show(chosen, output):
                self.stderr.write(error)
            self.stdout.flush()
            stopping.wait(pause)

    def _show_policies(self, queues: Sequence[RegisteredQueue], output: Output) -> None:
        """Print the table of outcomes of each queue that has a receiver."""
        received = [queue for queue in queues if queue.receiver is not None]
        tables = {queue.name: told(queue.table, queue.full_dead_letter_name) for queue in received}
        output.result(
            [
                {"queue": name, "receiver": receiver, "message": message}
                for name, lines in tables.items()
                for receiver, message in lines
            ]
        )
        if not output.as_json:
            for name, lines in tables.items():
                output.table(("the receiver", "the message is"), lines, title=f"Queue {name}")

    def _show_tenants(self, chosen: list[Target], count: int, output: Output) -> None:
        """Print how many of a sample of each queue's messages belong to whom."""
        found: list[tuple[str, str, int]] = []
        for target in chosen:
            try:
                sample = peek(target.requests, target.full_name, count)
            except QueueDoesNotExist:
                continue
            whose = Counter(group_of(message) or "-" for message in sample)
            found += [(target.label, tenant, number) for tenant, number in whose.most_common()]
        output.result(
            [{"queue": queue, "tenant": whose, "messages": n} for queue, whose, n in found]
        )
        if not output.as_json:
            title = f"Of up to {count} messages of each queue"
            output.table(("queue", "tenant", "messages"), found, title=title, numbers=1)

    def _show(self, chosen: list[Target], output: Output) -> list[str]:
        """Print them; return why queues could not be asked."""
        found = list(zip(chosen, states(chosen, patience=None), strict=True))
        output.result([_as_json(target, state) for target, state in found])
        if not output.as_json:
            rows = [_row(target.label, state) for target, state in found]
            output.table(COLUMNS, rows, title="Active SQS queues", numbers=4)
            for target, state in found:
                if state.pause is not None:
                    output.say(f"\nQueue {target.label} is paused: {state.pause}.")
            missing = [target.label for target, state in found if _is_missing(state)]
            if missing:
                output.say(f"\nMarked '-': does not exist yet ({', '.join(missing)}).")
        return sorted({state.error for _, state in found if state.error})


def _is_missing(state: QueueState) -> bool:
    return state.counts is None and not state.error


def _row(label: str, state: QueueState) -> tuple[object, ...]:
    if state.counts is None:
        return label, *["?" if state.error else "-"] * 4
    counts, dead = state.counts, state.dead
    none = "?" if state.error else "none"
    return label, counts.visible, counts.in_flight, counts.delayed, none if dead is None else dead


def _as_json(target: Target, state: QueueState) -> dict[str, object]:
    counts = state.counts
    return {
        "queue": target.registered.name,
        "suffix": target.suffix,
        "name": target.full_name,
        "exists": counts is not None,
        "visible": counts.visible if counts else 0,
        "in_flight": counts.in_flight if counts else 0,
        "delayed": counts.delayed if counts else 0,
        "dead_letters": state.dead,
        "paused": facts(state.pause),
        "error": state.error or None,
    }
