"""manage.py sqs_relay: send what is in the outbox."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_sqs.management.output import Output
from django_sqs.outbox.relay import Relay


class Command(BaseCommand):
    """Runs the relay, which runreceiver runs otherwise."""

    help = "Send the messages of the outbox, until stopped by SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        parser.add_argument("--format", choices=("text", "json"), default="text")
        parser.add_argument(
            "--once", action="store_true", help="Send what can be sent now, and exit."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay, and say how many were sent with --once."""
        relay = Relay()
        if options["once"]:
            sent = relay.send_all()
            output = Output(self.stdout, as_json=options["format"] == "json")
            output.result({"sent": sent}, f"Sent {sent} messages.")
            return

        def stop(signum: int, frame: FrameType | None) -> None:
            relay.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        relay.run()
