"""Event loops that go by the system's time, also where a test has stopped the time.

``freezegun`` replaces :func:`time.monotonic`, by which a loop knows what is due: whatever sleeps on
it would do so for ever, and a timeout never come.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

#: That of time.monotonic(): macOS has one of its own, and Windows has none that can be named.
_CLOCK: int | None = getattr(time, "CLOCK_UPTIME_RAW", getattr(time, "CLOCK_MONOTONIC", None))


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new event loop of asyncio's."""
    return by_system_time(asyncio.new_event_loop())


def by_system_time(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    """Have *loop* go by the system's time, where it does not anyway, as uvloop's; return it."""
    own: Any = loop
    if isinstance(loop, asyncio.BaseEventLoop) and _CLOCK is not None:
        own.time = partial(time.clock_gettime, _CLOCK)
    return loop
