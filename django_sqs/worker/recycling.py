"""Recycling: when a process has done enough and another takes its place."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.working import Middleware, Settlement

from ..counted import counted

logger = get_logger(__name__)

MEBIBYTE = 1024 * 1024
#: The part of a limit by which a process may be early, by chance, so that those that started
#: together do not all end together.
SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Recycling:
    """After what a process is replaced.

    :param after: messages; None: any number.
    :param memory: resident memory, in MiB; None: any.
    """

    after: int | None = None
    memory: int | None = None

    def __bool__(self) -> bool:
        return self.after is not None or self.memory is not None


#: A process is replaced by no other while it lives.
NEVER = Recycling()


class Recycler(Middleware):
    """Sees when this process is to be replaced; made in it, after the fork.

    :param recycling: its limits.
    :param may: whether it may be replaced now; asked after each message from then on.
    :param retire: called once, in the thread whose message was the last, with the reason.
    """

    def __init__(
        self, recycling: Recycling, may: Callable[[], bool], retire: Callable[[str], None]
    ) -> None:
        self._after = _somewhat_less(recycling.after)
        self._memory = _somewhat_less(recycling.memory and recycling.memory * MEBIBYTE)
        self._may = may
        self._retire = retire
        self._lock = threading.Lock()
        self._count = 0
        self._retired = False

    def settled(self, settlement: Settlement) -> None:
        """Count the message, and retire where it was the last."""
        with self._lock:
            self._count += 1
            reason = None if self._retired else self._reason()
            if reason is None or not self._may():
                return
            self._retired = True
        self._retire(reason)

    def _reason(self) -> str | None:
        """Why it has done enough; None: it has not."""
        if self._after is not None and self._count >= self._after:
            return counted(self._count, "message")
        # A look takes some ten microseconds.
        if self._memory is None or (taken := resident_memory()) < self._memory:
            return None
        if self._count == 1:
            logger.warning(
                "One message brought a new process to %d MiB: --recycle-memory is too low, so "
                "most of the time is spent on starting processes",
                taken // MEBIBYTE,
            )
        return f"{counted(self._count, 'message')}, at {taken // MEBIBYTE} MiB"


def resident_memory() -> int:
    """The memory of this process that is in RAM, shared pages included, in bytes.

    Where there is no ``/proc``, the most that it ever was.
    """
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Kibibytes, but on macOS.
        return most if sys.platform == "darwin" else most * 1024


def _somewhat_less(limit: int | None) -> int | None:
    return limit and limit - random.randint(0, int(limit * SPREAD))  # noqa: S311 - no secret
