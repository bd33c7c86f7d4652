"""Queue names: the default, joining prefix and suffix, and the rules of SQS."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

from .exceptions import ConfigurationError, QueueNameError, UnknownSuffixWarning
from .quotas import MAX_NAME_LENGTH

SEPARATOR = "__"
FIFO = ".fifo"
#: The message group of what names none, in a FIFO queue.
DEFAULT_GROUP = "default"

#: The packages whose lines a user cannot change.
_OURS = {"django_sqs", "django_sqs_kombu"}

_LEGAL = re.compile(r"[A-Za-z0-9_-]+")


def default_name(fn: Callable[..., Any]) -> str:
    """The queue name of a receiver that was given none: its module and name.

    Dots become double underscores, since SQS allows no dots in a name.

    :raises ConfigurationError: it has no name of its own, as a lambda.
    """
    while isinstance(fn, partial):
        fn = fn.func
    name = getattr(fn, "__name__", type(fn).__name__)
    if name == "<lambda>":
        raise ConfigurationError(
            "A lambda has no name of which its queue's could be made: give receiver() a "
            "queue_name, or write a function"
        )
    module = getattr(fn, "__module__", type(fn).__module__)
    return f"{module}.{name}".replace(".", SEPARATOR)


def join_name(prefix: str, name: str, suffix: str | None = None) -> str:
    """The full name: prefix, name and suffix joined with double underscores.

    In a FIFO queue's name the suffix goes before ``.fifo``, which must stay last.

    :raises QueueNameError: the suffix ends in ``.fifo``, and would make a FIFO queue of another.
    """
    stem, fifo = (name[: -len(FIFO)], FIFO) if name.endswith(FIFO) else (name, "")
    parts = [part for part in (prefix, stem, suffix) if part]
    joined = SEPARATOR.join(parts) + fifo
    if suffix and suffix.endswith(FIFO):
        raise QueueNameError(
            joined,
            f"its suffix {suffix!r} ends in {FIFO!r}, which only a queue's own name may. Leave "
            "that out: in the name of a FIFO queue the suffix goes before it.",
        )
    return joined


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


def warn_of_suffix(name: str, suffix: str, known: Sequence[str]) -> None:
    """Warn of a *suffix* that is not among those *known*, at the line of the user's that gave it.

    :param name: the queue's name.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame and str(frame.f_globals.get("__name__")).partition(".")[0] in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(
        f"Unknown suffix {suffix!r} for queue {name!r} (known: {', '.join(known) or 'none'})",
        UnknownSuffixWarning,
        stacklevel=level,
    )
