"""Starting threads, which a system that is short of something refuses in more than one way."""

from __future__ import annotations

import threading


def start_thread(thread: threading.Thread) -> None:
    """Start *thread*.

    :raises RuntimeError: the system has no further thread, or no memory for one.
    """
    try:
        thread.start()
    except MemoryError as exc:
        raise RuntimeError("can't start new thread: there is no memory for one") from exc
