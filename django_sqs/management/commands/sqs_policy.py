"""manage.py sqs_policy: print an IAM policy of least privilege."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_sqs.conf import conf
from django_sqs.management.base import QueueCommand
from django_sqs.operations.policy import ACTIONS, policy
from django_sqs.operations.queues import targets
from django_sqs.registry import receivers
from django_sqs_kombu.names import FIFO, join_name
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
        parser.add_argument("--account", default="*", help="AWS account id. Default: any.")
        parser.add_argument("--region", help="Default: AWS_REGION, else any.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the policy as JSON."""
        chosen = receivers.select(options["queue_names"])
        names = [target.full_name for target in targets(chosen)]
        if not names:
            raise CommandError("No queue is registered, so there is nothing to allow.")
        # Also what is to be tried again and must not count for a redrive policy.
        restarted = [
            queue
            for queue in chosen
            if queue.delete_on_start or (queue.dead_letter_queue and not queue.name.endswith(FIFO))
        ]
        dead = {queue.dead_letter_queue for queue in chosen if queue.dead_letter_queue}
        if conf.create_queues or options["role"] == "administrator":
            names += [join_name(conf.prefix, name) for name in sorted(dead)]
        document = policy(
            options["role"],
            names,
            region=options["region"] or conf.region or "*",
            account=options["account"],
            create=conf.create_queues,
            resends=[target.full_name for target in targets(restarted)],
            bucket=conf.large_payload_bucket,
            prefix=conf.transport_options.get("large_payload_prefix", PREFIX),
        )
        self.stdout.write(json.dumps(document, indent=2))
