"""Note: what is to be written down before SQS is told what becomes of a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


class NoteWriter(Protocol):
    """Writes notes, into a database say; one thread of a channel calls it."""

    def write(self, contents: Sequence[Any]) -> None:
        """Write all of them; return when they will not be lost any more.

        :param contents: in the order in which they were added.
        :raises Exception: for a reason that can pass; then all of them are written again
            later, so one that cannot be written must not raise.
        """

    def rest(self) -> None:
        """The thread that wrote has nothing to write now: let go of its connections."""


@runtime_checkable
class Forgoing(NoteWriter, Protocol):
    """A writer whose notes are not worth that a message which is done runs again."""

    def forgo(self, contents: Sequence[Any], why: Exception) -> bool:
        """Whether these, which failed while somebody waits for the settlements, are given up."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to write before a message is deleted, hidden or given back.

    :param writer: what writes it, together with other notes of the same writer.
    :param content: what it is given.
    """

    writer: NoteWriter
    content: Any

    def beside(self, other: Note) -> Note:
        """A note that stands for both; this one is written first."""
        return Note(_ALL, (self, other))

    def write_now(self) -> None:
        """Write it in this thread, where there is no settlement to wait for it."""
        self.writer.write([self.content])


class _All:
    """Writes notes that stand for several, each by its own writer; safe to write twice."""

    def __init__(self) -> None:
        self._used: set[NoteWriter] = set()

    def write(self, contents: Sequence[Any]) -> None:
        """Write all of all."""
        by_writer: dict[NoteWriter, list[Any]] = {}
        for note in (note for notes in contents for note in notes):
            by_writer.setdefault(note.writer, []).append(note.content)
        self._used.update(by_writer)
        for writer, some in by_writer.items():
            writer.write(some)

    def rest(self) -> None:
        """Have each let go of its connections."""
        for writer in self._used:
            writer.rest()


_ALL = _All()
