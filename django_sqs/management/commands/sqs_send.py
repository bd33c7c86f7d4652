"""manage.py sqs_send: send messages from the command line."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError, CommandParser

from django_sqs.management.base import OneQueueCommand
from django_sqs.registry import receivers
from django_sqs_kombu.messages import JSONMessage, RawMessage, TypedMessage
from django_sqs_kombu.printable import quoted
from django_sqs_kombu.registration import RegisteredQueue

#: Characters of a text that an error repeats.
SHOWN = 100


class Command(OneQueueCommand):
    """Sends a text, JSON, a file, or each line of one."""

    help = (
        "Send a message to a registered queue: a text, a file, or standard input. The text is "
        'the message\'s value, for instance {"a": 1} with --json for a JSONMessage.'
    )
    suffix_help = "The queue with this queue name suffix."
    #: Whether JSON became a text of a queue whose messages are JSON.
    _as_text = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """The parser, which takes the text after options, too: ``queue --json '{}'``."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument("body", nargs="?", help="The text; '-' or none: standard input.")
        parser.add_argument("--file", metavar="F", help="Read it from this file ('-': stdin).")
        parser.add_argument("--lines", action="store_true", help="Each line is a message.")
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument("--json", action="store_true", help="The text is JSON.")
        kind.add_argument(
            "--encoded",
            action="store_true",
            help="The text is already in the form that the message class writes in the raw wire "
            "format.",
        )
        parser.add_argument("--delay", type=float, metavar="SECONDS")
        parser.add_argument("--group-id", help="The message group of a FIFO queue.")
        parser.add_argument("--deduplication-id", help="The deduplication id, for a FIFO queue.")
        parser.add_argument(
            "--attribute", action="append", default=[], metavar="NAME=VALUE", dest="attributes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, and say how many."""
        registered = receivers.get(options["queue_name"])
        try:
            attributes = _by_name(options["attributes"])
            with _source(options) as source:
                sent = self._send(registered, source, attributes, options)
        except (ValueError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        if self._as_text:
            self.stderr.write(
                "Sent as plain text, quotes and braces included. Use --json to send the value "
                "that the JSON stands for."
            )
        name = registered.full_name(options["suffix"])
        self.output(options).result({"queue": name, "sent": sent}, f"Sent {sent} to {name}.")

    def _send(
        self,
        registered: RegisteredQueue,
        source: TextIO,
        attributes: Any,
        options: dict[str, Any],
    ) -> int:
        if options["lines"]:
            alone = {"attributes": "attribute", "deduplication_id": "deduplication-id"}
            for name, option in alone.items():
                if options[name]:
                    raise CommandError(f"--lines and --{option} cannot be combined.")
            return registered.send_many(
                self._messages(registered, source, options),
                options["suffix"],
                delay=options["delay"],
                group_id=options["group_id"],
            )
        text = source.read()
        if options["body"] in (None, "-") and options["file"] in (None, "-"):
            # What a shell's echo adds.
            text = text.removesuffix("\n")
        registered.send(
            self._message(registered, text, options),
            options["suffix"],
            delay=options["delay"],
            group_id=options["group_id"],
            deduplication_id=options["deduplication_id"],
            attributes=attributes or None,
        )
        return 1

    def _messages(
        self, registered: RegisteredQueue, lines: Iterable[str], options: dict[str, Any]
    ) -> Iterator[RawMessage]:
        for number, line in enumerate(lines, 1):
            text = line.rstrip("\r\n")
            if not text:
                continue
            try:
                yield self._message(registered, text, options)
            except ValueError as exc:
                raise CommandError(
                    f"Line {number}: {exc}. Earlier lines may have been sent."
                ) from exc

    def _message(
        self, registered: RegisteredQueue, text: str, options: dict[str, Any]
    ) -> RawMessage:
        cls = registered.message_class
        value = _value(text) if options["json"] and not options["encoded"] else None
        if options["encoded"] or (options["json"] and issubclass(cls, TypedMessage)):
            return cls.from_value(cls().decode(text))
        if options["json"]:
            return cls.from_value(value)
        if not self._as_text and issubclass(cls, JSONMessage):
            self._as_text = _holds(text)
        return cls.from_value(text)


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
        # NaN and Infinity, which Python reads, and a number that is too large for other readers.
        json.dumps(value, allow_nan=False)
    except ValueError as exc:
        raise ValueError(f"{quoted(text, SHOWN)} is not JSON: {exc}") from exc
    return value


def _holds(text: str) -> bool:
    """Whether *text* is an object or an array in JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _source(options: dict[str, Any]) -> contextlib.AbstractContextManager[TextIO]:
    body, file = options["body"], options["file"]
    if body not in (None, "-") and file is not None:
        raise CommandError("Give the text or --file, not both.")
    if body not in (None, "-"):
        return io.StringIO(body)
    if file not in (None, "-"):
        return Path(file).open(encoding="utf-8")
    return contextlib.nullcontext(sys.stdin)


def _by_name(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            raise CommandError(f"--attribute must be NAME=VALUE, not {pair!r}")
        found[name] = value
    return found
