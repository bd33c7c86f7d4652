"""FunctionTime: how long an invocation of a Lambda function may still take."""

from __future__ import annotations

import math
import time

#: The largest part of an invocation's time that is kept for settling: a function's time is 3 s
#: where nobody says more.
RESERVE_SHARE = 0.2
#: What is kept of the reserve for Lambda itself, at the most seconds and as a part.
LAST, LAST_SHARE = 0.5, 0.25
#: Seconds that settling takes at the most, also where nobody knows the time.
LONGEST_SETTLING = 60.0
#: Seconds before the end of its time, or the part of that, from when a receiver that asks is told
#: to stop: it may need some to come to a place from which it can go on.
STOP_AHEAD, STOP_AHEAD_SHARE = 10.0, 0.2


class FunctionTime:
    """The time of one invocation.

    :param context: Lambda's context; one that knows no time, as None, has no end.
    :param reserve: seconds that are kept for settling, after the receivers.
    """

    def __init__(self, context: object, reserve: float) -> None:
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        seconds = math.inf if remaining is None else remaining() / 1_000
        reserve = min(reserve, seconds * RESERVE_SHARE)
        #: When it is over, on the monotonic clock.
        self.ends_at = time.monotonic() + seconds
        #: When receivers are to have ended.
        self.receivers_end_at = self.ends_at - reserve
        self._hurry_after = reserve / 2
        self._last = min(LAST, reserve * LAST_SHARE)
        #: Seconds that receivers had at the beginning.
        self.whole = seconds - reserve
        self._stop_ahead = min(STOP_AHEAD, self.whole * STOP_AHEAD_SHARE)

    @property
    def for_receivers(self) -> float:
        """Seconds that receivers still have; infinity: any number."""
        return self.receivers_end_at - time.monotonic()

    @property
    def for_settling(self) -> float:
        """Seconds that settling may still take, of the receivers' time, too."""
        left = self.ends_at - self._last - time.monotonic()
        return min(max(0.0, left), LONGEST_SETTLING)

    @property
    def for_settling_first(self) -> float:
        """The same, where what is done is to be deleted after it: that has as much time."""
        return self.for_settling / 2

    @property
    def hurries(self) -> bool:
        """Whether half of the reserve is used up: no request is waited for but at the end."""
        return self.for_receivers < -self._hurry_after

    def stops(self) -> bool:
        """Whether a receiver that can go on later is to stop now."""
        return self.for_receivers < self._stop_ahead
