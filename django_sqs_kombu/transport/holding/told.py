"""Told: what was answered of a message that is held, perhaps before a consumer took it."""

from __future__ import annotations

import threading
from typing import Any

#: Seconds that an answer counts: what it says may be changed by others meanwhile.
LASTS = 0.1


class Told:
    """What was answered of a message.

    :param asked_at: when it was asked, on the monotonic clock.
    :ivar answered: whether there is an answer yet.
    :ivar failed: whether there will be none, since whoever asked has failed.
    """

    __slots__ = ("answer", "answered", "asked_at", "failed")

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.answered = False
        self.failed = False
        self.answer: Any = None

    def counts(self, now: float) -> bool:
        """Whether it was asked only now."""
        return now - self.asked_at <= LASTS and not self.failed

    def end(self, answer: Any) -> None:
        """This is the answer."""
        self.answer = answer
        self.answered = True


class Asking:
    """What is asked of the messages of one queue.

    :ivar one: held by the thread that asks now.
    :ivar wanted: of which messages an answer is waited for, with their bodies.
    """

    __slots__ = ("one", "wanted")

    def __init__(self) -> None:
        self.one = threading.Lock()
        self.wanted: list[tuple[Told, str]] = []
