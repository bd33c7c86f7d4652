"""Rate: how many messages of a queue may be received in a time, by one process or by all."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..logs import get_logger
from ..new_threads import start_thread

logger = get_logger(__name__)

#: Adds a number to the counter of this name, which lasts for some seconds; returns the sum.  It
#: may wait, and raise what it likes.
Counter = Callable[[str, int, float], int]

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([smhd])")
#: In so many parts a process asks for a large share.
ASKS = 8
#: Seconds until a counter that failed is asked again.
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages in so many seconds.

    They come evenly: each window has its share, of a second or, where less than one message
    comes in a second, of the time of one.
    """

    count: int
    seconds: int

    @classmethod
    def read(cls, text: str) -> Rate:
        """The rate that is written as *text*, such as ``"900/m"``."""
        count, _, unit = text.partition("/")
        return cls(int(count), _UNITS[unit])

    @property
    def window(self) -> float:
        """The seconds of a window."""
        return max(1.0, self.seconds / self.count)

    def share(self, window: int) -> int:
        """How many may be received in a window, by its number."""
        each = self.count * self.window / self.seconds
        return int((window + 1) * each + 1e-6) - int(window * each + 1e-6)


def rate(value: Any) -> str | None:
    """The rule for a rate."""
    right = isinstance(value, str) and _RATE.fullmatch(value)
    return None if right else "must be a number of messages in a time, such as '900/m' (s, m, h, d)"


class RateLimit:
    """A limit of a consumption that lets so many through in each window.

    A poll asks for no more than may come, and the counter is asked in a thread of its own, since
    polls must not wait for it.

    :param name: the queue's name in SQS.
    :param counter: counts for all workers; None: for this process alone.
    :param on_limit: called when a window's share is used up that brought messages, and more are
        asked for; once a window.
    """

    def __init__(
        self,
        name: str,
        rate: Rate,
        counter: Counter | None = None,
        on_limit: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_limit = on_limit
        self._name = name
        self._rate = rate
        self._counter = counter
        self._lock = threading.Lock()
        #: Granted to this process in the window, and not used yet.
        self._granted = 0
        self._window = -1
        #: Whether the window's share is used up, by all.
        self._used_up = False
        self._asking = False
        #: Seconds that the counter took for its latest answer.
        self._took = 0.0
        self._alone = 0
        #: Whether messages came in the window, and whether it was told that no more may.
        self._came = self._told = False
        #: What polls under way may bring: reserved in this window, and in earlier ones.
        self._reserved = self._reserved_before = 0

    @property
    def reached(self) -> bool:
        """Never for good."""
        return False

    def reserve(self, count: int) -> int:
        """Up to *count* that may come now; 0: later."""
        with self._lock:
            self._begin_window(self._now())
            missing = count - self._granted
            if missing > 0 and not self._used_up:
                self._ask(missing)
            granted = min(count, self._granted)
            self._granted -= granted
            self._reserved += granted
            limits = not granted and self._used_up and self._came and not self._told
            self._told = self._told or limits
        if limits:
            self._on_limit()
        return granted

    def settle(self, reserved: int, received: int) -> None:
        """Those that did not come may come still, in the same window."""
        with self._lock:
            self._came = self._came or received > 0
            if self._reserved_before >= reserved:
                self._reserved_before -= reserved
                return
            self._reserved = max(0, self._reserved - reserved)
            self._granted += reserved - received

    def give_back(self, count: int) -> None:
        """Those were received, and SQS has counted them."""

    def _now(self) -> int:
        return int(time.time() / self._rate.window)

    def _begin_window(self, window: int) -> None:
        if window == self._window:
            return
        self._window, self._granted, self._used_up, self._alone = window, 0, False, 0
        self._came = self._told = False
        self._reserved_before += self._reserved
        self._reserved = 0

    def _ask(self, missing: int) -> None:
        share = self._rate.share(self._window)
        # Where the counter is slow, what comes until its next answer is asked for, too.
        meanwhile = min(1.0, self._took / self._rate.window)
        count = max(missing, share // ASKS, int(share * meanwhile))
        if self._counter is None:
            self._alone += count
            self._grant(self._window, count, self._alone)
        elif not self._asking:
            start_thread(
                threading.Thread(
                    target=self._count,
                    args=(self._counter, self._window, count),
                    name="sqs-rate",
                    daemon=True,
                )
            )
            # After it: without a thread to be had now, the next reservation asks again.
            self._asking = True

    def _count(self, counter: Counter, window: int, count: int) -> None:
        try:
            name = f"django_sqs.rate.{self._name}.{window}"
            began = time.monotonic()
            total = counter(name, count, self._rate.window + 60)
            with self._lock:
                self._took = time.monotonic() - began
                self._begin_window(self._now())
                self._grant(window, count, total)
        except Exception as exc:  # noqa: BLE001 - whatever a cache may raise
            # A cache that is away must not stop the queue for ever, nor let it run free.
            logger.error(
                "The rate of queue %s cannot be counted, trying again: %r", self._name, exc
            )
            time.sleep(PAUSE)
        finally:
            with self._lock:
                self._asking = False

    def _grant(self, window: int, count: int, total: int) -> None:
        left = self._rate.share(window) - (total - count)
        # It is counted for this process.  An answer that comes after its window is worth the
        # same: a counter that always takes so long would let nothing through.
        self._granted += max(0, min(count, left))
        if window == self._window:
            self._used_up = left <= count
