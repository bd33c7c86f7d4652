"""QueueCommand: what the commands about queues have in common."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_sqs_kombu.exceptions import SQSError

from .output import Output


class QueueCommand(BaseCommand):
    """A command about the queues that it is given, or about all.

    An :class:`SQSError` ends it with its text instead of a traceback.

    :cvar suffix_help: the help of ``--suffix``; None: there is no such option.
    :cvar has_format: whether there is ``--format text|json``.
    """

    suffix_help: ClassVar[str | None] = None
    has_format: ClassVar[bool] = True

    def add_arguments(self, parser: CommandParser) -> None:
        """Define ``queue_name ...`` and, where there are such, ``--suffix`` and ``--format``."""
        self.add_queue_argument(parser)
        if self.suffix_help is not None:
            parser.add_argument("--suffix", help=self.suffix_help)
        if self.has_format:
            parser.add_argument("--format", choices=("text", "json"), default="text")

    def add_queue_argument(self, parser: CommandParser) -> None:
        """Define ``queue_name ...``."""
        parser.add_argument("queue_names", nargs="*", metavar="queue_name")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except SQSError as exc:
            raise CommandError(str(exc)) from exc

    def output(self, options: dict[str, Any]) -> Output:
        """Where the command says what it found or did."""
        return Output(self.stdout, as_json=options.get("format") == "json")


def stop_by_signals() -> Event:
    """An event that SIGTERM and SIGINT set, from now on."""
    stopping = Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


class OneQueueCommand(QueueCommand):
    """A command about one queue."""

    def add_queue_argument(self, parser: CommandParser) -> None:
        """Define ``queue_name``."""
        parser.add_argument("queue_name")
