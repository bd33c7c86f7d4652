"""manage.py sqs_relay: send what is in the outbox."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from django_sqs.counted import counted
from django_sqs.management.base import SQSCommand
from django_sqs.management.stopping import on_stop_signal
from django_sqs.outbox.relay import Relay


class Command(SQSCommand):
    """Runs the relay, which runreceiver runs otherwise."""

    help = "Send the messages of the outbox, until stopped by SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--once", action="store_true", help="Send what can be sent now, and exit."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay, and say how many were sent with --once."""
        relay = Relay()
        if options["once"]:
            sent = relay.send_all()
            self.output(options).result({"sent": sent}, f"Sent {counted(sent, 'message')}.")
            return
        on_stop_signal(relay.stop)
        relay.run()
