"""SharedLimit: a limit on received messages that forked processes share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .cells import Cells
from .lock_file import lock, lock_file, unlock

#: What each process writes down.
_RESERVED, _RECEIVED = range(2)


class SharedLimit:
    """A receive limit in memory that forked processes share.

    What a killed process had reserved can be given back by :meth:`forget`.

    :param count: messages to receive in all, at least 1.
    :param processes: how many processes take part.
    """

    def __init__(self, count: int, processes: int) -> None:
        self._count = count
        self._cells = Cells(processes, 2)
        self._file = lock_file(self)
        self._threads = threading.Lock()
        #: Which of the processes this one is; set after the fork.
        self.process = 0

    def reserve(self, count: int) -> int:
        """Reserve up to *count* messages; return how many may be asked for."""
        with self._locked():
            taken = sum(self._cells.all(_RESERVED)) + sum(self._cells.all(_RECEIVED))
            granted = max(0, min(count, self._count - int(taken)))
            self._add(_RESERVED, granted)
            return granted

    def settle(self, reserved: int, received: int) -> None:
        """Of *reserved* messages *received* came; the others are free again."""
        with self._locked():
            self._add(_RESERVED, -reserved)
            self._add(_RECEIVED, received)

    def give_back(self, count: int) -> None:
        """*count* received messages were given back unstarted and do not count."""
        with self._locked():
            self._add(_RECEIVED, -count)

    @property
    def reached(self) -> bool:
        """Whether all messages have been received."""
        with self._locked():
            return sum(self._cells.all(_RECEIVED)) >= self._count

    def forget(self, process: int) -> None:
        """Give back what *process*, which has ended, had reserved."""
        with self._locked():
            self._cells.set(process, _RESERVED, 0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads:
            lock(self._file)
            try:
                yield
            finally:
                unlock(self._file)

    def _add(self, column: int, count: int) -> None:
        self._cells.add(self.process, column, count)
