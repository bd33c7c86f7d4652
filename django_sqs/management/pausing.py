"""PauseCommand: what the commands that pause and resume queues have in common."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from django_sqs_kombu.transport import Pause

from ..operations.queues import Target, targets
from ..registry import receivers
from .base import QueueCommand

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(?:\d+[smhdw])+")


def length(text: str | float) -> timedelta:
    """An argument that is a length of time, such as ``90s``, ``1h30m`` or ``2d``.

    From code it may be a number of seconds.
    """
    if not isinstance(text, str):
        return timedelta(seconds=text)
    if not _LENGTH.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"must be a length of time such as 90s, 30m, 1h30m or 2d, not {text!r}"
        )
    parts = re.findall(r"(\d+)([smhdw])", text)
    try:
        return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise argparse.ArgumentTypeError(f"is too long: {text!r}") from None


class PauseCommand(QueueCommand):
    """A command about pauses, of queues that it is given or of all.

    :cvar verb: what it does, for its help and its errors.
    """

    verb: ClassVar[str]
    suffix_help = "Only the queues with this queue name suffix."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define ``queue_name ...`` and ``--all``."""
        super().add_arguments(parser)
        parser.add_argument("--all", action="store_true", help=f"{self.verb} all queues.")

    def existing(self, options: dict[str, Any]) -> Iterator[Target]:
        """The queues that are meant and exist in SQS.

        :raises CommandError: none is named, or none exists.
        """
        names = options["queue_names"]
        if bool(names) == options["all"]:
            raise CommandError(f"Name the queues to {self.verb.lower()}, or give --all.")
        chosen = list(targets(receivers.select(names), options["suffix"]))
        there = [target for target in chosen if target.counts() is not None]
        if not there:
            raise CommandError("None of the queues exists in SQS yet.")
        yield from there


def as_json(target: Target, pause: Pause | None) -> dict[str, object]:
    """What is said of a queue's pause to a program."""
    return {"queue": target.label, "name": target.full_name, "paused": facts(pause)}


def facts(pause: Pause | None) -> dict[str, str | bool | None] | None:
    """A pause for a program; None: there is none."""
    if pause is None:
        return None
    return {
        "since": pause.since.isoformat() if pause.since else None,
        "until": pause.until.isoformat() if pause.until else None,
        "reason": pause.reason,
        "by_breaker": pause.by_breaker,
    }
