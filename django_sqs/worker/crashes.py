"""CrashNotes: which messages were being received when a process died."""

from __future__ import annotations

import mmap
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django_sqs_kombu.exceptions import KilledItsProcess
from django_sqs_kombu.messages import Delivery
from django_sqs_kombu.working import ADMITTED, Admission, Middleware, NamedQueue, Settlement

#: A message is set aside when so many processes died while its receiver ran.
MOST_DEATHS = 3
#: How many messages are remembered, at least; the oldest is forgotten first.
REMEMBERED = 128
#: Seconds for which a suspect makes its queue's messages be received one by one, and between
#: two looks at the notes for that.
PATIENCE, LOOK = 300.0, 0.2
_ID = struct.Struct("100s")
#: What runs: the message's id, its queue, and since when by the monotonic clock.
_SLOT = struct.Struct("100s80sd")
#: The message's id; how many processes died with it; whether it has not ended since.
_NOTE = struct.Struct("100sq?")


@dataclass(frozen=True, slots=True)
class Running:
    """A message whose receiver runs.

    :param process: the number of the process that runs it.
    :param since: when it was started, by the monotonic clock.
    """

    process: int
    queue: str
    message_id: str
    since: float


class CrashNotes(Middleware):
    """Memory that forked processes share: what each runs, and what died with it.

    Each process writes only what it runs itself; the supervisor counts the deaths.  A
    receive count would not do: it also grows for the innocent that a dead process held.
    What ran beside the guilty is a suspect, too; suspects run alone from then on, so that
    the innocent among them is never blamed again.  What a process holds besides when it dies
    was received in vain, so until the suspects have ended nothing is held beside another.

    :param processes: how many processes there are.
    :param places: how many messages each receives at once.
    :param memory: :meth:`size` bytes, shared with the processes, and kept when they end.
    """

    def __init__(self, processes: int, places: int, memory: mmap.mmap) -> None:
        self._places = places
        slots = _SLOT.size * processes * places
        self._memory = memory
        self._slots = memoryview(memory)[:slots]
        self._notes = memoryview(memory)[slots:]
        self._first_note = slots
        self._lock = threading.Lock()
        self._mine: dict[str, int] = {}
        self._free = list(reversed(range(places)))
        self._seen = b""
        self._seen_at = self._look_at = 0.0
        self._unresolved = False
        #: Which of the processes this one is; set after the fork.
        self.process = 0

    @staticmethod
    def size(processes: int, places: int) -> int:
        """How many bytes it needs."""
        # What ran beside the guilty is remembered, too, and it may have been a batch.
        return _SLOT.size * processes * places + _NOTE.size * max(REMEMBERED, places)

    @contextmanager
    def receiving(self, registered: NamedQueue, delivery: Delivery) -> Iterator[None]:
        """Note that the message is being received; it is until it is settled."""
        with self._lock:
            if self._free:
                free = self._free.pop()
                self._mine[delivery.message_id] = free
                self._write(self.process, free, delivery.message_id, registered.name)
        yield

    def settled(self, settlement: Settlement) -> None:
        """Its receiver ended, so it killed nobody."""
        message_id = settlement.delivery.message_id
        with self._lock:
            slot = self._mine.pop(message_id, None)
            if slot is not None:
                self._free.append(slot)
                self._write(self.process, slot, "")
                self._resolve(message_id)

    def stopping(self) -> None:
        """This process was told to stop: what it runs is not to blame for its end.

        Safe in a signal handler, so it takes no lock.
        """
        for slot in range(self._places):
            self._write(self.process, slot, "")

    def close(self) -> None:
        """Let go of the memory."""
        self._slots.release()
        self._notes.release()

    def process_ended(self, process: int) -> None:
        """Count what it was receiving."""
        for slot in range(self._places):
            message_id = self._read(process, slot)
            if message_id:
                self._count(message_id)
                self._write(process, slot, "")

    def admit(self, registered: NamedQueue, delivery: Delivery) -> Admission:
        """Alone, what ran when a process died; not any more, what ran too often then."""
        # For every message, so it is one search and nothing is decoded.
        place = self._find(delivery.message_id)
        if place < 0:
            return ADMITTED
        deaths = self._deaths(place)
        return Admission(KilledItsProcess(deaths) if deaths >= MOST_DEATHS else None, alone=True)

    def unresolved(self) -> bool:
        """Whether one of the suspects has still to show that it kills nobody.

        Not for ever: it may have gone elsewhere.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK
            if self._notes != self._seen:
                self._seen, self._seen_at = bytes(self._notes), now
            self._unresolved = now < self._seen_at + PATIENCE and any(
                unresolved and deaths < MOST_DEATHS
                for _, deaths, unresolved in _NOTE.iter_unpack(self._seen)
            )
        return self._unresolved

    def _resolve(self, message_id: str) -> None:
        place = self._find(message_id)
        if place >= 0:
            _NOTE.pack_into(
                self._notes, place, message_id.encode()[:100], self._deaths(place), False
            )

    def _count(self, message_id: str) -> None:
        place = self._find(message_id)
        deaths = 0
        if place < 0:
            place = self._room()
        else:
            deaths = self._deaths(place)
        _NOTE.pack_into(self._notes, place, message_id.encode()[:100], deaths + 1, True)

    def _room(self) -> int:
        """The place of a free note; of the first, whose time has come, when all are taken."""
        places = range(0, len(self._notes), _NOTE.size)
        free = next((place for place in places if not self._deaths(place)), None)
        if free is None:
            # The notes move up, so that the oldest is the first to go.
            self._notes[: -_NOTE.size] = bytes(self._notes[_NOTE.size :])
            free = places[-1]
        return free

    def _find(self, message_id: str) -> int:
        if not self._notes[0]:
            # No process has died.
            return -1
        # With its padding it can only be found where a note begins: a count is never 0.
        found = self._memory.find(_ID.pack(message_id.encode()[:100]), self._first_note)
        return found - self._first_note if found >= 0 else -1

    def _deaths(self, place: int) -> int:
        return int(_NOTE.unpack_from(self._notes, place)[1])

    def running(self) -> list[Running]:
        """What the receivers of all processes run, the oldest first."""
        size = _SLOT.size * self._places
        slots = [
            (place // size, *found)
            for place, found in zip(
                range(0, len(self._slots), _SLOT.size),
                _SLOT.iter_unpack(self._slots),
                strict=True,
            )
        ]
        found = [
            Running(process, _text(queue), _text(message_id), since)
            for process, message_id, queue, since in slots
            if message_id[0]
        ]
        return sorted(found, key=lambda each: each.since)

    def _write(self, process: int, slot: int, message_id: str, queue: str = "") -> None:
        place = (process * self._places + slot) * _SLOT.size
        encoded = message_id.encode()[:100], queue.encode()[:80]
        _SLOT.pack_into(self._slots, place, *encoded, time.monotonic())

    def _read(self, process: int, slot: int) -> str:
        place = (process * self._places + slot) * _SLOT.size
        return _text(_SLOT.unpack_from(self._slots, place)[0])


def _text(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode(errors="replace")
