"""manage.py sqs_policy: print an IAM policy of least privilege."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.conf import conf
from django_sqs.management.base import QueueCommand
from django_sqs.operations.policy import ACTIONS, Place, policy
from django_sqs.operations.queues import targets
from django_sqs.problems import REGION
from django_sqs.registry import receivers
from django_sqs_kombu.names import FIFO, join_name
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.transport import PREFIX


class Command(QueueCommand):
    """Prints what the credentials of a role must be allowed, and nothing else."""

    help = (
        "Print the IAM policy that a sender, a receiver or an administrator of the registered "
        "queues needs, or of those named. No request is sent."
    )

    # It is JSON anyway.
    has_format = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument("--role", choices=sorted(ACTIONS), default="receiver")
        parser.add_argument(
            "--account", type=_account, default="*", help="AWS account id. Default: any."
        )
        parser.add_argument(
            "--region", type=_region, help="Default: SQS_REGION or AWS_REGION, else any."
        )
        parser.add_argument(
            "--sends",
            action="store_true",
            help="Let the receiver send, too: needed for delays beyond 15 minutes, for the "
            "outbox, and for retries where SQS has a redrive policy that is not registered.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the policy as JSON."""
        chosen = receivers.select(options["queue_names"])
        names = [target.full_name for target in targets(chosen)]
        if not names:
            raise CommandError("No queue is registered, so no permissions are needed.")
        resends = [queue for queue in chosen if options["sends"] or _sends_again(queue)]
        pauses = [queue for queue in chosen if queue.breaker and queue.breaker.shared]
        buries = {queue.full_dead_letter_name for queue in chosen if _buries(queue)}
        dead = {queue.dead_letter_queue for queue in chosen if queue.dead_letter_queue}
        if conf.create_queues or options["role"] == "administrator":
            names += [join_name(conf.prefix, name) for name in sorted(dead)]
        document = policy(
            options["role"],
            names,
            Place(options["region"] or conf.region or "*", options["account"]),
            create=conf.create_queues,
            resends=[
                *(target.full_name for target in targets(resends)),
                *sorted(name for name in buries if name),
            ],
            pauses=[target.full_name for target in targets(pauses)],
            keys=sorted({q.options.kms_key for q in chosen if q.options.kms_key}),
            bucket=conf.large_payload_bucket,
            prefix=conf.transport_options.get("large_payload_prefix", PREFIX),
        )
        self.stdout.write(json.dumps(document, indent=2))


def _account(text: str) -> str:
    """An account's id; AWS's console shows it with hyphens."""
    digits = text.replace("-", "")
    if text != "*" and not re.fullmatch("[0-9]{12}", digits):
        raise ArgumentTypeError(f"must be the 12 digits of an AWS account id, not {text!r}")
    return digits


def _region(text: str) -> str:
    if text != "*" and not REGION.fullmatch(text):
        raise ArgumentTypeError(f"must be an AWS region such as eu-central-1, not {text!r}")
    return text


def _sends_again(queue: RegisteredQueue) -> bool:
    """Whether what is to be tried again is sent again: it must not count for a redrive policy.

    Or what stands for several, as one by one; or a schedule's slots are sent.
    """
    if queue.schedule is not None and queue.sends_slots:
        return True
    counts = queue.dead_letter_queue or queue.policy.counts_tries or queue.message_class.splits
    return bool(queue.delete_on_start or (counts and not queue.name.endswith(FIFO)))


def _buries(queue: RegisteredQueue) -> bool:
    """Whether what fails is sent to the dead letters by its receiver."""
    # Also a part of a message that its queue does not take.
    return bool(queue.policy.retry or queue.policy.dead_letter or queue.message_class.splits)
