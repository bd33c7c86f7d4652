"""manage.py sqs_local: run a local SQS server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_sqs.development.local_server import LocalServer
from django_sqs.management.base import read_keywords, require_between
from django_sqs.management.closed_pipe import end_with_its_pipe
from django_sqs.management.stopping import stop_by_signals

#: Seconds between two looks at whether there are new queues to remember.
LOOK = 1.0


class Command(BaseCommand):
    """Runs it until it is stopped."""

    help = (
        "Run a local SQS and S3 server for development (moto). Point SQS_ENDPOINT_URL to it. It "
        "remembers the definitions of queues, not their messages."
    )

    def run_from_argv(self, argv: list[str]) -> None:
        """Run it, and end with the pipe that it writes to."""
        end_with_its_pipe(partial(super().run_from_argv, argv))

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        parser.add_argument(
            "--host", default="127.0.0.1", help="Address to listen on. Default: 127.0.0.1."
        )
        parser.add_argument(
            "--port", type=int, default=4566, help="Port to listen on. Default: 4566."
        )
        parser.add_argument(
            "--state",
            default=".sqs_local.json",
            metavar="FILE",
            help="File that keeps the definitions of queues. Default: .sqs_local.json; '' keeps "
            "none.",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        read_keywords(self.create_parser("", ""), options)
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        require_between(options, "port", 0, 65_535)
        state = Path(options["state"]) if options["state"] else None
        try:
            server = LocalServer(options["host"], options["port"], state)
        except ImproperlyConfigured as exc:
            raise CommandError(str(exc)) from exc
        stopping = stop_by_signals()
        try:
            queues = server.start()
        except OSError as exc:
            raise CommandError(
                f"The server cannot start: {exc}. Where the port is taken, choose another with "
                "--port, and name it in SQS_ENDPOINT_URL."
            ) from exc
        self.stdout.write(f'SQS_ENDPOINT_URL = "{server.url}"  # with {queues} queues')
        self.stdout.flush()
        while not stopping.wait(LOOK):
            server.keep()
        server.stop()
