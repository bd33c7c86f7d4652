"""What POSIX systems have and Windows has not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from .exceptions import ConfigurationError

#: Whether processes can be forked, and files locked as they share them.
IS_POSIX = hasattr(os, "fork")
#: Whether the main thread can be interrupted by a timer.
HAS_ALARM = hasattr(signal, "setitimer")


def in_forked_children(call: Callable[[], object]) -> None:
    """Have *call* called in each process that is forked from this one, before anything else."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)


def before_forks(call: Callable[[], object]) -> None:
    """Have *call* called before each fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=call)


def in_forking_parents(call: Callable[[], object]) -> None:
    """Have *call* called after each fork, in the process that has forked."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_parent=call)


def require_posix(what: str, *, instead: str = "") -> None:
    """Raise :class:`ConfigurationError` where *what* cannot be.

    :param what: begins the sentence.
    :param instead: what to do there; ends it.
    """
    if not IS_POSIX:
        raise ConfigurationError(
            f"{what} a POSIX system, such as Linux or macOS, which this is not{instead}"
        )


def signals(*names: str) -> tuple[signal.Signals, ...]:
    """The signals of these names that there are."""
    return tuple(found for name in names if (found := getattr(signal, name, None)) is not None)
