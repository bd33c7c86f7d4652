"""Queue names (prefix, suffix, FIFO, the rules of SQS) and a queue's declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kombu

from .exceptions import ConfigurationError, QueueNameError

SEPARATOR = "__"
FIFO = ".fifo"
MAX_NAME_LENGTH = 80
MAX_VISIBILITY_TIMEOUT = 43_200
WIRE_FORMATS = ("kombu", "raw")
#: Receives after which SQS moves a message to the dead-letter queue; SQS takes 1 to 1,000.
DEFAULT_MAX_RECEIVES, LARGEST_MAX_RECEIVES = 5, 1_000

# Keys among a kombu.Queue's ``queue_arguments``; those without "x-" are SQS attributes.
WIRE_FORMAT_ARGUMENT = "x-wire-format"
DEAD_LETTER_ARGUMENT = "x-dead-letter-queue"
MAX_RECEIVES_ARGUMENT = "x-max-receives"
TAGS_ARGUMENT = "x-tags"

_LEGAL = re.compile(r"[A-Za-z0-9_-]+")


def default_name(fn: Callable[..., Any]) -> str:
    """The queue name of a receiver that was given none: its module and name.

    Dots become double underscores, since SQS allows no dots in a name.
    """
    name = getattr(fn, "__name__", type(fn).__name__)
    module = getattr(fn, "__module__", type(fn).__module__)
    return f"{module}.{name}".replace(".", SEPARATOR)


def join_name(prefix: str, name: str, suffix: str | None = None) -> str:
    """The full name: prefix, name and suffix joined with double underscores.

    In a FIFO queue's name the suffix goes before ``.fifo``, which must stay last.
    """
    stem, fifo = (name[: -len(FIFO)], FIFO) if name.endswith(FIFO) else (name, "")
    parts = [part for part in (prefix, stem, suffix) if part]
    return SEPARATOR.join(parts) + fifo


def validate_name(name: str) -> str:
    """Return *name* if SQS would take it, else raise :class:`QueueNameError`.

    The rule is CreateQueue's: 1 to 80 characters, letters, digits, hyphens and
    underscores; a FIFO queue's name ends in ``.fifo``, which counts.
    """
    stem = name[: -len(FIFO)] if name.endswith(FIFO) else name
    if not stem:
        raise QueueNameError(name, "it is empty. Give the queue a name.")
    if not _LEGAL.fullmatch(stem):
        wrong = "".join(sorted(set(re.sub(r"[A-Za-z0-9_-]", "", stem))))
        raise QueueNameError(
            name,
            f"SQS allows only letters, digits, '-' and '_' (and '.fifo' at the end), not {wrong!r}",
        )
    if len(name) > MAX_NAME_LENGTH:
        raise QueueNameError(
            name,
            f"it has {len(name)} characters, SQS allows {MAX_NAME_LENGTH}, prefix and suffix "
            "included. Give the receiver a shorter queue_name.",
        )
    return name


def validate_visibility_timeout(seconds: float, where: str) -> int:
    """Return *seconds* as SQS takes it (whole, 0 to 43,200), or raise naming *where*."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ConfigurationError(f"{where} must be a number of seconds, not {seconds!r}")
    if not 0 <= seconds <= MAX_VISIBILITY_TIMEOUT or seconds != int(seconds):
        raise ConfigurationError(
            f"{where} must be a whole number of seconds from 0 to "
            f"{MAX_VISIBILITY_TIMEOUT:,} (12 hours, the limit of SQS), not {seconds!r}"
        )
    return int(seconds)


@dataclass(frozen=True, slots=True)
class QueueDeclaration:
    """What a queue is to be: its full name and the attributes it is created with.

    :param name: the full name, as SQS knows it.
    :param visibility_timeout: seconds that a received message stays hidden.
    :param wire_format: ``"kombu"`` (Kombu's envelope) or ``"raw"`` (the message
        class's text alone) for the messages sent to it.
    :param dead_letter_queue: the full name of the queue where SQS moves a message that
        was received *max_receives* times and not deleted.
    :param max_receives: see there.
    :param tags: cost allocation tags.
    :param kms_key: the id or alias of the KMS key that encrypts it.
    """

    name: str
    visibility_timeout: int
    wire_format: str = "kombu"
    dead_letter_queue: str | None = None
    max_receives: int = DEFAULT_MAX_RECEIVES
    tags: Mapping[str, str] | None = None
    kms_key: str | None = None

    def to_kombu(self) -> kombu.Queue:
        """The same as a :class:`kombu.Queue` on the default exchange."""
        arguments: dict[str, Any] = {
            "VisibilityTimeout": str(self.visibility_timeout),
            WIRE_FORMAT_ARGUMENT: self.wire_format,
        }
        if self.dead_letter_queue:
            arguments[DEAD_LETTER_ARGUMENT] = self.dead_letter_queue
            arguments[MAX_RECEIVES_ARGUMENT] = self.max_receives
        if self.tags:
            arguments[TAGS_ARGUMENT] = dict(self.tags)
        if self.kms_key:
            arguments["KmsMasterKeyId"] = self.kms_key
        return kombu.Queue(self.name, routing_key=self.name, queue_arguments=arguments)
