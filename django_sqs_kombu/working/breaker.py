"""Breaker: a queue whose receivers fail for what they depend on is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..exceptions import ConfigurationError, RestartLater, kind_of
from ..logs import get_logger
from ..rules import above_zero, check, whole
from .retry import Exceptions, exceptions

logger = get_logger(__name__)

#: The longest pause, in seconds: a day.
LONGEST_PAUSE = 86_400
_RULES = {
    "failures": above_zero(1),
    "of": whole(1, 10_000),
    "pause": above_zero(LONGEST_PAUSE),
}


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a process receives no more from a queue, and for how long.

    :param failures: the share of failures at which it stops, above 0 and up to 1.
    :param of: among so many messages, the latest.
    :param pause: seconds until one message is received again; if it does not fail, all are.
    :param on: the exceptions that count as failures, or one; a RestartLater never does.
    :raises ConfigurationError: for what cannot work.
    """

    failures: float = 0.5
    of: int = 20
    pause: float = 60
    on: Exceptions = (Exception,)

    def __post_init__(self) -> None:
        check("Breaker: ", _RULES, {name: getattr(self, name) for name in _RULES})
        object.__setattr__(self, "on", exceptions("Breaker: on", self.on))
        if not self.on:
            raise ConfigurationError("Breaker: on must name an exception")

    def counts(self, raised: BaseException | None) -> bool:
        """Whether what a receiver raised is a failure."""
        if raised is None or isinstance(raised, RestartLater):
            return False
        return issubclass(kind_of(raised), self.on)


def breaker(value: Any) -> str | None:
    """The rule for a breaker."""
    return None if isinstance(value, Breaker) else "must be a Breaker"


class Circuit:
    """A limit of a consumption that lets nothing through while its breaker is open.

    :param queue: the queue's name in SQS.
    :param on_open: called when it opens, to give back what waits.
    """

    def __init__(
        self, queue: str, breaker: Breaker, on_open: Callable[[], None] = lambda: None
    ) -> None:
        self._queue = queue
        self._breaker = breaker
        self._on_open = on_open
        self._lock = threading.Lock()
        self._latest: deque[bool] = deque(maxlen=breaker.of)
        #: Before which time nothing is received, on the monotonic clock; None: it is closed.
        self._opens_at: float | None = None
        #: Until when the one message that may come is waited for.
        self._trying_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing is received but, after the pause, a single message."""
        return self._opens_at is not None

    @property
    def reached(self) -> bool:
        """Never for good."""
        return False

    def reserve(self, count: int) -> int:
        """How many may be asked for."""
        with self._lock:
            if self._opens_at is None:
                return count
            now = time.monotonic()
            if now < self._opens_at or now < self._trying_until:
                return 0
            # Should nothing be heard of it, another one is tried.
            self._trying_until = now + self._breaker.pause
            return min(count, 1)

    def settle(self, reserved: int, received: int) -> None:
        """A poll has ended."""
        with self._lock:
            if self._opens_at is not None and not received:
                self._trying_until = 0.0

    def give_back(self, count: int) -> None:
        """Messages were not started."""
        with self._lock:
            self._trying_until = 0.0

    def refuses(self) -> bool:
        """Whether a message that came is not to be started: its poll was begun before."""
        if self._opens_at is None:
            return False
        with self._lock:
            return self._opens_at is not None and (
                time.monotonic() < self._opens_at or not self._trying_until
            )

    def ended(self, raised: BaseException | None) -> None:
        """A receiver has ended."""
        failed = self._breaker.counts(raised)
        with self._lock:
            opened = self._note(failed)
        if opened:
            self._on_open()

    def _note(self, failed: bool) -> bool:
        """Note how a receiver ended; return whether the breaker has opened just now."""
        now = time.monotonic()
        if self._opens_at is not None:
            if now < self._opens_at or not self._trying_until:
                # It ran before.
                return False
            if failed:
                self._opens_at, self._trying_until = now + self._breaker.pause, 0.0
                return False
            self._opens_at, self._trying_until = None, 0.0
            self._latest.clear()
            logger.warning("Queue %s is received from again: what failed works", self._queue)
            return False
        self._latest.append(failed)
        latest = self._latest
        if len(latest) < self._breaker.of or sum(latest) < self._breaker.failures * len(latest):
            return False
        self._opens_at = now + self._breaker.pause
        logger.error(
            "Queue %s is left alone for %g s: of its last %d messages %d failed",
            self._queue,
            self._breaker.pause,
            len(latest),
            sum(latest),
        )
        return True
