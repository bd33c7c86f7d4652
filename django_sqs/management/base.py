"""What the commands have in common: queues, suffixes, formats and errors."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from django_sqs_kombu.exceptions import SQSError

from ..not_migrated import lacks_tables, told
from .closed_pipe import end_with_its_pipe
from .output import Output

#: More messages than any queue has, for what takes a limit.
MOST_MOVED = 1_000_000_000


class SQSCommand(BaseCommand):
    """A command that says what it found or did.

    An :class:`SQSError` ends it with its text instead of a traceback, and so do a setting that
    cannot work and a table that is not there.

    :cvar has_format: whether there is ``--format text|json``.
    :cvar needs_output: whether it has failed where its output cannot be written.
    """

    has_format: ClassVar[bool] = True
    needs_output: ClassVar[bool] = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """A parser that takes no abbreviations: a script must not depend on them."""
        return super().create_parser(prog_name, subcommand, allow_abbrev=False, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Define ``--format``, where there is such."""
        if self.has_format:
            parser.add_argument("--format", choices=("text", "json"), default="text")

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command of a command line, and end with the pipe that it writes to."""
        run = partial(super().run_from_argv, argv)
        end_with_its_pipe(run, needs_output=self.needs_output)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        if not options.get("stdout"):
            escape_what_cannot_be_encoded()
        read_keywords(self.create_parser("", ""), options)
        try:
            return super().execute(*args, **options)
        except (SQSError, ImproperlyConfigured) as exc:
            raise CommandError(str(exc)) from exc
        except DatabaseError as exc:
            if lacks_tables(exc):
                raise CommandError(told(exc)) from exc
            raise

    def output(self, options: dict[str, Any]) -> Output:
        """Where the command says what it found or did."""
        return Output(self.stdout, as_json=options.get("format") == "json")


class QueueCommand(SQSCommand):
    """A command about the queues that it is given, or about all.

    :cvar suffix_help: the help of ``--suffix``; None: there is no such option.
    """

    suffix_help: ClassVar[str | None] = None

    def add_arguments(self, parser: CommandParser) -> None:
        """Define ``queue_name ...`` and, where there are such, ``--suffix`` and ``--format``."""
        self.add_queue_argument(parser)
        if self.suffix_help is not None:
            parser.add_argument("--suffix", help=self.suffix_help)
        super().add_arguments(parser)

    def add_queue_argument(self, parser: CommandParser) -> None:
        """Define ``queue_name ...``."""
        parser.add_argument("queue_names", nargs="*", metavar="queue_name")


class OneQueueCommand(QueueCommand):
    """A command about one queue."""

    def add_queue_argument(self, parser: CommandParser) -> None:
        """Define ``queue_name``."""
        parser.add_argument("queue_name")


def require_between(
    options: Mapping[str, Any], name: str, low: float, high: float, *, above: bool = False
) -> None:
    """Raise CommandError where the option *name* is given and is not from *low* to *high*.

    No number at all, as NaN, is between nothing.

    :param above: *low* itself is not allowed.
    """
    value = options[name]
    if value is None or ((low < value if above else low <= value) and value <= high):
        return
    least = f"above {low:g} and up to" if above else f"from {low:g} to"
    raise CommandError(f"--{name.replace('_', '-')} must be {least} {high:,}, not {value}")


def read_keywords(parser: CommandParser, options: dict[str, Any]) -> None:
    """Read what call_command() was given by keyword as if it stood on the command line.

    Django has it pass all checks, and a command would fail on it somewhere, or misunderstand it.

    :raises CommandError: it could not stand there.
    """
    for action in parser._actions:
        value = options.get(action.dest)
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            continue
        try:
            options[action.dest] = _as_on_command_line(action, value)
        except argparse.ArgumentError as exc:
            parser.error(str(exc))


def _as_on_command_line(action: argparse.Action, value: str | float) -> Any:
    if action.nargs == 0 and isinstance(value, str):
        raise argparse.ArgumentError(action, f"takes no value but True or False, not {value!r}")
    read: Any = value
    if action.type is not None:
        kind: Any = action.type
        try:
            read = _read(kind, value)
        except argparse.ArgumentTypeError as exc:
            raise argparse.ArgumentError(action, str(exc)) from exc
        except (ValueError, OverflowError) as exc:
            name = getattr(kind, "__name__", repr(kind))
            raise argparse.ArgumentError(action, f"invalid {name} value: {value!r}") from exc
    if action.choices is not None and read not in action.choices:
        shown = ", ".join(map(repr, action.choices))
        raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {shown})")
    return read


def _read(kind: Any, value: str | float) -> Any:
    try:
        return kind(value)
    except (TypeError, AttributeError):
        # It reads text alone, as a command line has it.
        return kind(str(value))


def escape_what_cannot_be_encoded() -> None:
    """Write what the encoding of the standard output lacks as escapes, as Python's stderr does.

    Any character may be in a message, and there are encodings that have few.
    """
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
        stream.reconfigure(errors="backslashreplace")
