"""Starting threads, and keeping them, in a system that is short of something."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds before a thread that had no memory to wait with tries again.
PAUSE = 0.5
#: What Python says where there is no memory for a lock.
NO_LOCK = "can't allocate lock"


def start_thread(thread: threading.Thread) -> None:
    """Start *thread*.

    :raises RuntimeError: the system has no further thread, or no memory for one.
    """
    try:
        thread.start()
    except MemoryError as exc:
        raise RuntimeError("can't start new thread: there is no memory for one") from exc


def without_fail(wait: Callable[[], T]) -> T:
    """What *wait* returns, which is called again where there is no memory for it.

    Each wait for a condition, an event or a queue makes a lock.  A thread that ended for want of
    one would still count as there, and what it was to do would wait for ever.
    """
    while True:
        try:
            return wait()
        except MemoryError:
            pass
        except RuntimeError as exc:
            if NO_LOCK not in str(exc):
                raise
        time.sleep(PAUSE)
