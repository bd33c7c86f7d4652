"""SharedLimit: a limit on received messages that forked processes share."""

from __future__ import annotations

import fcntl
import mmap
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CELL = struct.Struct("q")


class SharedLimit:
    """A receive limit in memory that forked processes share.

    Each process writes only to cells of its own, so that what a killed one had reserved
    can be given back by :meth:`forget`.

    :param count: messages to receive in all, at least 1.
    :param processes: how many processes take part.
    """

    def __init__(self, count: int, processes: int) -> None:
        self._count = count
        self._processes = processes
        self._cells = mmap.mmap(-1, _CELL.size * 2 * processes)
        # A POSIX lock on a file, since that is released when its process is killed.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the limit
        self._threads = threading.Lock()
        #: Which of the processes this one is; set after the fork.
        self.process = 0

    def reserve(self, count: int) -> int:
        """Reserve up to *count* messages; return how many may be asked for."""
        with self._locked():
            granted = max(0, min(count, self._count - self._sum(range(self._processes * 2))))
            self._add(self._reserved, granted)
            return granted

    def settle(self, reserved: int, received: int) -> None:
        """Of *reserved* messages *received* came; the others are free again."""
        with self._locked():
            self._add(self._reserved, -reserved)
            self._add(self._received, received)

    def give_back(self, count: int) -> None:
        """*count* received messages were given back unstarted and do not count."""
        with self._locked():
            self._add(self._received, -count)

    @property
    def reached(self) -> bool:
        """Whether all messages have been received."""
        with self._locked():
            return self._sum(range(1, self._processes * 2, 2)) >= self._count

    def forget(self, process: int) -> None:
        """Give back what *process*, which has ended, had reserved."""
        with self._locked():
            self._write(2 * process, 0)

    @property
    def _reserved(self) -> int:
        return 2 * self.process

    @property
    def _received(self) -> int:
        return 2 * self.process + 1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _sum(self, cells: range) -> int:
        return sum(self._read(cell) for cell in cells)

    def _read(self, cell: int) -> int:
        value: int = _CELL.unpack_from(self._cells, cell * _CELL.size)[0]
        return value

    def _write(self, cell: int, value: int) -> None:
        _CELL.pack_into(self._cells, cell * _CELL.size, value)

    def _add(self, cell: int, value: int) -> None:
        self._write(cell, self._read(cell) + value)
