"""QueueCommand: what the commands about queues have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_sqs_kombu.exceptions import SQSError


class QueueCommand(BaseCommand):
    """A command about the queues that it is given, or about all.

    An :class:`SQSError` ends it with its text instead of a traceback.

    :cvar suffix_help: the help of ``--suffix``; None: there is no such option.
    """

    suffix_help: ClassVar[str | None] = None

    def add_arguments(self, parser: CommandParser) -> None:
        """Define ``queue_name ...`` and, where there is one, ``--suffix``."""
        parser.add_argument("queue_names", nargs="*", metavar="queue_name")
        if self.suffix_help is not None:
            parser.add_argument("--suffix", help=self.suffix_help)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except SQSError as exc:
            raise CommandError(str(exc)) from exc
