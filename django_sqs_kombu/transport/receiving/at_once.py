"""AtOnce: how many polls of one queue may be under way at the same time."""

from __future__ import annotations

import threading

from ..sqs.forks import renew_after_fork

#: The most of one queue.
MOST = 64
#: The most of one process, besides the first of each queue.
MOST_BESIDE = 256
#: Messages since the last empty answer for each poll beside the first: when a queue is empty at
#: last, as many polls bring nothing, and each costs.
EVIDENCE = 80


class _Beside:
    """Those of this process that are under way beside another of their queue."""

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """None of the parent's is the child's."""
        self._lock = threading.Lock()
        self._count = 0

    def begin(self) -> bool:
        with self._lock:
            if self._count >= MOST_BESIDE:
                return False
            self._count += 1
            return True

    def end(self) -> None:
        with self._lock:
            self._count = max(0, self._count - 1)


_beside = _Beside()


class AtOnce:
    """Doubles while answers come back full, and is one again after an empty one.

    :param evidence: messages that must have come since, for each poll beside the first.
    :ivar allowed: how many polls of the queue may be under way.
    """

    def __init__(self, evidence: int = EVIDENCE) -> None:
        self.allowed = 1
        self._evidence = evidence
        self._messages = 0

    def answered(self, messages: int, *, full: bool) -> None:
        """A poll brought so many messages.

        :param full: whether that is as many as a request can bring.
        """
        self._messages += messages
        if full:
            likely = 1 + self._messages // self._evidence
            self.allowed = max(self.allowed, min(MOST, 2 * self.allowed, likely))
        elif not messages:
            self.allowed, self._messages = 1, 0

    def begin_another(self) -> bool:
        """Whether one may begin beside others; :meth:`end_another` follows."""
        return _beside.begin()

    def end_another(self) -> None:
        """One that began beside others has ended."""
        _beside.end()
