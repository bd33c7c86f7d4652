"""Expiring: when it is too late to start a message's receiver."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from typing import Any

from ...exceptions import MessageEncodeError
from ...quotas import MAX_RETENTION
from .checks import brief
from .trail import Trail

#: The most seconds until then: a message may be delayed, and then kept, for SQS's 14 days each.
LONGEST = 2 * MAX_RETENTION


def has_expired(trail: Trail) -> bool:
    """Whether it is too late to start with the message of *trail*.

    What goes on from a cursor has started before.
    """
    return trail.expires is not None and trail.cursor is None and time.time() >= trail.expires


def expiry_of(expires: Any, delay: float | None) -> float | None:
    """Return when a message that is sent now expires, in seconds since the epoch; None: never.

    :param expires: a number of seconds from now, a timedelta, or an aware datetime.
    :param delay: seconds until it can be received.
    :raises MessageEncodeError: it is neither, or over before the message could be received.
    """
    if expires is None:
        return None
    seconds: Any = expires
    if isinstance(expires, datetime):
        if expires.tzinfo is None:
            raise MessageEncodeError(f"expires: {expires} has no time zone; make it aware")
        seconds = expires.timestamp() - time.time()
    elif isinstance(expires, timedelta):
        seconds = expires.total_seconds()
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
        raise MessageEncodeError(
            "expires must be a number of seconds from now, a timedelta or a datetime, not "
            f"{brief(expires)}"
        )
    if not 0 < seconds <= LONGEST:
        raise MessageEncodeError(
            f"expires must be above 0 and at most {LONGEST:,} seconds from now (twice as "
            f"long as SQS keeps a message), not {brief(expires)}"
        )
    if delay is not None and seconds <= delay:
        raise MessageEncodeError(
            f"expires: {brief(expires)} is before the message can be received, which is after its "
            f"delay of {delay:g} seconds"
        )
    return time.time() + float(seconds)
