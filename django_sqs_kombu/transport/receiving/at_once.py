"""AtOnce: how many polls of one queue, and of a process, may be under way at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import islice

from ...logs import get_logger
from ..sqs.files import HOW_TO_RAISE, most_polls
from ..sqs.forks import renew_after_fork

logger = get_logger(__name__)

#: Makes a poller look whether it may poll; it waits for nothing.
Wake = Callable[[], None]

#: The most of one queue.
MOST = 64
#: The most of one process, besides the first of each queue.
MOST_BESIDE = 256
#: Messages since the last empty answer for each poll beside the first: when a queue is empty at
#: last, as many polls bring nothing, and each costs.
EVIDENCE = 80
TOO_FEW_FILES = (
    "This process may have too few files open to poll all of its queues at once: they take turns, "
    "%d at a time, and their messages wait longer. "
    f"Raise its limit ({HOW_TO_RAISE}), or start more processes, each for some of the queues"
)


class _OfProcess:
    """The polls of this process: as many as it may have connections for, and those in turn.

    What settles and sends, and the project, need some of the files that it may open, too.
    """

    def __init__(self) -> None:
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """None of the parent's is the child's."""
        self._lock = threading.Lock()
        self._count = self._beside = self._most = 0
        #: What wakes those that wait for their turn, the first of them first; and those that
        #: were woken, and have not looked yet.
        self._line: dict[Wake, None] = {}
        self._called: set[Wake] = set()
        self._told = False

    def begin(self, wake: Wake, *, beside: bool) -> bool:
        """Begin a poll; where it may not now, but in its turn, it is woken for it."""
        with self._lock:
            if self._count < self._most and not (self._line or self._called or beside):
                # As nearly always, of an idle queue.
                self._count += 1
                return True
            free = self._free()
            if wake in self._called:
                self._called.discard(wake)
                begins = free > 0
            else:
                # Those in line before it, or all of them, come first.
                free -= len(self._called)
                begins = free > len(self._line) or wake in islice(self._line, max(0, free))
            if beside and not (begins and self._beside < MOST_BESIDE):
                return False
            if begins:
                self._line.pop(wake, None)
                self._count += 1
                self._beside += beside
                return True
            self._line.setdefault(wake)
            says, self._told = not self._told, True
        if says:
            logger.warning(TOO_FEW_FILES, self._most)
        return False

    def end(self, *, beside: bool) -> None:
        """One that began has ended."""
        with self._lock:
            self._count = max(0, self._count - 1)
            self._beside = max(0, self._beside - beside)
            woken = self._call() if self._line else ()
        for wake in woken:
            wake()

    def pass_on(self, wake: Wake) -> None:
        """If it was that one's turn, it is the next one's now."""
        if not (self._called or self._line):
            return
        with self._lock:
            self._called.discard(wake)
            woken = self._call()
        for each in woken:
            each()

    def leave(self, wake: Wake) -> None:
        """That one polls no more."""
        with self._lock:
            self._line.pop(wake, None)
        self.pass_on(wake)

    def _call(self) -> list[Wake]:
        woken = list(islice(self._line, max(0, self._free() - len(self._called))))
        for wake in woken:
            del self._line[wake]
        self._called.update(woken)
        return woken

    def _free(self) -> int:
        if self._count >= self._most:
            self._most = most_polls(self._count + 1)
        return self._most - self._count


_of_process = _OfProcess()


class AtOnce:
    """Doubles while answers come back full, and is one again after an empty one.

    :param wake: called when it is this queue's turn to poll, after :meth:`begin` refused it.
    :param evidence: messages that must have come since, for each poll beside the first.
    :ivar allowed: how many polls of the queue may be under way.
    """

    def __init__(self, wake: Wake, evidence: int = EVIDENCE) -> None:
        self.allowed = 1
        self._wake = wake
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

    def begin(self, *, alone: bool) -> bool:
        """Whether a poll may begin; :meth:`end` follows.

        :param alone: whether it is the only one of its queue.
        """
        return _of_process.begin(self._wake, beside=not alone)

    def end(self, *, alone: bool) -> None:
        """One that began has ended."""
        _of_process.end(beside=not alone)

    def looked(self) -> None:
        """All that may begin now has begun."""
        _of_process.pass_on(self._wake)

    def leave(self) -> None:
        """No other will begin."""
        _of_process.leave(self._wake)
