"""Cells: numbers in memory that forked processes share."""

from __future__ import annotations

import mmap


class Cells:
    """A row of numbers for each process, of which each writes only to its own.

    So no lock is shared, and what one that was killed has written stays.

    :param processes: how many rows.
    :param columns: how many numbers in each; all are 0 at first.  Whole ones are exact up to
        2 to the power of 53.
    """

    def __init__(self, processes: int, columns: int) -> None:
        self._columns = columns
        self._values = memoryview(mmap.mmap(-1, 8 * columns * processes)).cast("d")
        self._processes = range(processes)

    def get(self, process: int, column: int) -> float:
        """The number of one process."""
        return float(self._values[process * self._columns + column])

    def set(self, process: int, column: int, value: float) -> None:
        """Write a number."""
        self._values[process * self._columns + column] = value

    def add(self, process: int, column: int, value: float) -> None:
        """Add to a number; of several threads of a process one at a time."""
        self._values[process * self._columns + column] += value

    def all(self, column: int) -> list[float]:
        """The numbers of all processes."""
        return [self.get(process, column) for process in self._processes]
