"""Pace: how fast a consumer takes messages, and whether it takes any."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from .line import Line
from .shortest import Shortest

#: The pace is that of so many messages, or of twice as many as there are receivers: the time
#: of a single one says little where several run at once.
LEAST_SAMPLES = 20
#: Messages that a consumer has taken for each one that may wait for it: whoever leaves has those
#: that wait given back, and each of these receives has counted.
CREDIT = 10
#: A consumer that takes twice as many messages as the one before it stays; so does this many.
MOST_DOUBTED = 500
#: Seconds that a consumer may be away, with a message it took, and still counts as taking.
PATIENCE = 1.0
#: The fewest seconds that a consumer is taken to need for a message.
LEAST_SECONDS = 1e-6


class Pace:
    """Measures the consumer of one connection; written by the thread that takes messages.

    :ivar free: how many receivers are free now; by default one while the consumer waits.
    :ivar shortest: visibility timeout of the queues that it takes from.
    :ivar line: of those of them that wait for room.
    :ivar always: whether the consumer is an event loop, which takes whenever there are places.
    """

    def __init__(self) -> None:
        self.free: Callable[[], int] = self._one
        self.always = False
        self.shortest = Shortest()
        self.line = Line()
        self.restart()

    def restart(self) -> None:
        """Nobody was here yet."""
        self._waiting = 0
        self._left_at = float("-inf")
        self._glanced = False
        self._started = 0
        self._doubted = 0
        self.forget()

    def forget(self) -> None:
        """Another consumer comes: how fast it takes messages is not known yet."""
        self._samples: deque[float] = deque(maxlen=LEAST_SAMPLES)
        #: For how many receivers there may be enough of them.
        self._fits = LEAST_SAMPLES // 2
        self._doubted = min(MOST_DOUBTED, max(self._doubted, 2 * self._started))
        self._started = 0
        self._most_free = 1
        self._took_at: float | None = None

    def comes(self) -> float:
        """The consumer comes for a message; return when, on the monotonic clock."""
        now = time.monotonic()
        took_at = self._took_at
        if took_at is not None:
            self._took_at = None
            if self._most_free > self._fits:
                self._fit()
            self._samples.append(now - took_at)
        self._waiting += 1
        return now

    def takes_one(self, now: float) -> None:
        """It leaves with a message that it is going to work on."""
        self._waiting -= 1
        self._left_at = self._took_at = now
        self._glanced = False
        self._started += 1

    def leaves(self, *, glanced: bool = False) -> None:
        """It leaves without a message.

        :param glanced: it did not wait, so whoever receives for it does so while it is away.
        """
        self._waiting -= 1
        self._left_at = time.monotonic()
        self._glanced = glanced

    def away(self, now: float) -> float:
        """Seconds since the consumer was here; 0 while it waits."""
        return 0.0 if self._waiting or self.always else now - self._left_at

    @property
    def takes(self) -> bool:
        """Whether somebody takes messages: nothing is received for a consumer that is gone."""
        return self.away(time.monotonic()) < PATIENCE

    @property
    def credit(self) -> int:
        """How many messages may wait for a consumer of which nobody knows whether it stays."""
        return 0 if self._started < self._doubted else self._started // CREDIT

    @property
    def receivers(self) -> int:
        """How many receivers there are, as far as is known."""
        return max(1, self._most_free)

    def seconds_each(self) -> float | None:
        """Seconds that the consumer takes for a message; None: not known yet.

        It is known when each receiver has started twice.
        """
        return self._each(time.monotonic(), self.free())

    def look(self) -> tuple[int, float | None] | None:
        """How many receivers are free, and :meth:`seconds_each`; None: nobody :attr:`takes`."""
        now = time.monotonic()
        if self.away(now) >= PATIENCE:
            return None
        free = self.free()
        return free, self._each(now, free)

    def _each(self, now: float, free: int) -> float | None:
        if free > self._most_free:
            self._most_free = free
        samples = self._samples
        if self._started < 2 * self._most_free or not samples:
            return None
        # Asked for far less often than there are messages.
        each = sum(samples) / len(samples)
        took_at = self._took_at
        if took_at is not None and now - took_at > each:
            # The one that it has now takes longer than those before.
            each = now - took_at
        return each if each > LEAST_SECONDS else LEAST_SECONDS

    def _fit(self) -> None:
        """Have as many samples as there are receivers for."""
        self._fits = self._most_free
        self._samples = deque(self._samples, maxlen=2 * self._fits)

    def _one(self) -> int:
        return 1 if self._waiting or (self._glanced and self.takes) else 0
