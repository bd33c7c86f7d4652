"""Breaker: nothing is received for a while from a queue whose messages fail."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..drops import MessageDropped
from ..exceptions import ConfigurationError, RestartLater, kind_of
from ..logs import get_logger
from ..rules import above_zero, check, flag, whole
from .retry import Exceptions, exceptions

logger = get_logger(__name__)

#: The longest pause, in seconds: a day.
LONGEST_PAUSE = 86_400
_RULES = {
    "failures": above_zero(1),
    "of": whole(1, 10_000),
    "pause": above_zero(LONGEST_PAUSE),
    "shared": flag,
}


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a process, or all of them, stop receiving from a queue, and for how long.

    :param failures: the share of failed messages at which receiving stops, above 0 and up to 1.
    :param of: how many of the latest messages count.
    :param pause: seconds until one message is received as a trial; if it does not fail, all are
        received again.
    :param on: the exceptions that count as failures, or one; a RestartLater never does.
    :param shared: whether the queue pauses for all workers, by a tag in SQS that
        they check once a minute (see :meth:`RegisteredQueue.pause`).  After the pause each
        process tries one message.  This needs sqs:TagQueue.
    :raises ConfigurationError: a value is invalid.
    """

    failures: float = 0.5
    of: int = 20
    pause: float = 60
    on: Exceptions = (Exception,)
    shared: bool = False

    def __post_init__(self) -> None:
        check("Breaker: ", _RULES, {name: getattr(self, name) for name in _RULES})
        object.__setattr__(self, "on", exceptions("Breaker: on", self.on))
        if not self.on:
            raise ConfigurationError("Breaker: on must name an exception")

    def counts(self, raised: BaseException | None) -> bool:
        """Whether what a receiver raised, or why it did not run, is a failure."""
        if raised is None or isinstance(raised, RestartLater):
            return False
        kind = kind_of(raised)
        return issubclass(kind, self.on) and not issubclass(kind, MessageDropped)


def breaker(value: Any) -> str | None:
    """The rule for a breaker."""
    return None if isinstance(value, Breaker) else "must be a Breaker"


@dataclass(frozen=True, slots=True)
class Trip:
    """The breaker of a queue has opened in a process, or stays open for another pause.

    :param seconds: how long nothing is received.
    :param failed: how many of the latest messages failed; *of*: out of how many.
    :param again: it was open, and the message that was tried after the pause failed.
    :param shared: whether all workers follow, by the queue's tag in SQS.
    """

    seconds: float
    failed: int
    of: int
    again: bool = False
    shared: bool = False

    def __str__(self) -> str:
        return f"of its last {self.of} messages {self.failed} failed"


class Circuit:
    """A limit of a consumption that lets nothing through while its breaker is open.

    :param queue: the queue's name in SQS.
    :param on_change: called when it opens, stays open for another pause, or closes (None).
    """

    def __init__(
        self,
        queue: str,
        breaker: Breaker,
        on_change: Callable[[Trip | None], None] = lambda trip: None,
    ) -> None:
        self._queue = queue
        self._breaker = breaker
        self._on_change = on_change
        self._lock = threading.Lock()
        self._latest: deque[bool] = deque(maxlen=breaker.of)
        #: How many have not failed since one did; at first so many as if none ever had.
        self._fine = breaker.of
        #: Before which time nothing is received, on the monotonic clock; None: it is closed.
        self._opens_at: float | None = None
        #: Until when the one message that may come is waited for.
        self._trying_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether nothing is received but, after the pause, a single message."""
        return self._opens_at is not None

    @property
    def is_calm(self) -> bool:
        """Whether it is far from opening: none of as many as count has failed."""
        return self._fine >= self._breaker.of

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

    def shut(self, seconds: float) -> None:
        """Another process has paused the queue: after that it is tried with one message here, too.

        :param seconds: how long the pause lasts still; it is never made shorter.
        """
        with self._lock:
            self._opens_at = max(self._opens_at or 0.0, time.monotonic() + seconds)
            self._trying_until = 0.0
            # What failed has been counted, by the other.
            self._latest.clear()
            self._fine = 0

    def ended(self, raised: BaseException | None) -> None:
        """A receiver has ended."""
        if raised is not None and issubclass(kind_of(raised), MessageDropped):
            # None has run, so it tells nothing, and another is tried.
            self.give_back(1)
            return
        failed = self._breaker.counts(raised)
        with self._lock:
            changes = self._note(failed)
        for trip in changes:
            self._tell(trip)

    def _note(self, failed: bool) -> tuple[Trip | None, ...]:
        """Note how a receiver ended; return how that changes the breaker, if it does."""
        now = time.monotonic()
        self._fine = 0 if failed else self._fine + 1
        if self._opens_at is not None:
            if now < self._opens_at or not self._trying_until:
                # It ran before.
                return ()
            if failed:
                return (self._open(now, Trip(self._breaker.pause, 1, 1, again=True)),)
            self._opens_at, self._trying_until = None, 0.0
            return (None,)
        self._latest.append(failed)
        count, of = sum(self._latest), len(self._latest)
        if of < self._breaker.of or count < self._breaker.failures * of:
            return ()
        return (self._open(now, Trip(self._breaker.pause, count, of)),)

    def _open(self, now: float, trip: Trip) -> Trip:
        self._opens_at, self._trying_until = now + trip.seconds, 0.0
        # What failed has been counted.
        self._latest.clear()
        return trip

    def _tell(self, trip: Trip | None) -> None:
        if trip is None:
            logger.warning("Receiving from queue %s again: its breaker is closed", self._queue)
        elif not trip.again:
            logger.error(
                "Not receiving from queue %s for %g s: its breaker is open, %s",
                self._queue,
                trip.seconds,
                trip,
            )
        self._on_change(trip)
