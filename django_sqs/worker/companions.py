"""Companions: what optional apps run beside a worker, in threads of their own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread, without_fail

from ..optional import Announced
from .crashes import Running
from .lock_file import lock, lock_file, unlock
from .stats import SharedStats

logger = get_logger(__name__)

#: Seconds that a companion may take to end.
PATIENCE = 5.0
#: Seconds between two looks whether it is this process's turn.
LOOK = 1.0
#: Seconds before a companion for which there was no thread is started again.
RETRY = 5.0


class Companion(Protocol):
    """What runs beside a worker."""

    def start(self) -> None:
        """Start, and return at once."""

    def stop(self) -> None:
        """End; return when it has ended, or soon."""


class Turn:
    """What one of some forked processes has at a time; the others have it when that has ended.

    Made before the forks.
    """

    def __init__(self) -> None:
        self._file = lock_file(self)

    def taken(self) -> bool:
        """Take it if nobody else has it; return whether this process has it now."""
        return lock(self._file, wait=False)

    def give_up(self) -> None:
        """Let another have it."""
        unlock(self._file)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a companion may know of the process that it runs in.

    :param turn: taken by one process of its runreceiver at a time.
    :param names: its queues as they were registered, by their names in SQS.
    :param wake: polls a queue, by its registered name, that rests; from any thread.
    :param bury: whether dead letters are to be taken out of SQS.
    :param look_for_pauses: looks whether a queue, by its registered name, is paused.
    """

    turn: Turn
    names: Mapping[str, str]
    wake: Callable[[str], None]
    look_for_pauses: Callable[[str], None]
    bury: bool = False


@dataclass(frozen=True, slots=True)
class BesideFleet:
    """What a companion may know of the processes that its own starts.

    :param stats: what they count.
    :param threads: receivers at once in each, at most.
    :param running: the messages that they run, the oldest first.
    """

    stats: SharedStats
    threads: int
    running: Callable[[], list[Running]]


#: What runs in every process that receives; None: nothing in this one.
beside_workers: Announced[Callable[[Beside], Companion | None]] = Announced()
#: What runs in the process that starts the others.
beside_fleets: Announced[Callable[[BesideFleet], Companion]] = Announced()
#: What runs in a process of the site that receives, too, and is no worker's.
beside_sites: Announced[Callable[[], Companion]] = Announced()


class InThread:
    """A companion that is one function in a thread.

    :param run: returns after *stop* was called.
    :param stop: called from another thread.
    :param name: the thread's.
    :param turn: *run* is not called before this process has it.
    """

    def __init__(
        self,
        run: Callable[[], None],
        stop: Callable[[], None],
        name: str,
        turn: Turn,
    ) -> None:
        self._run = run
        self._stop = stop
        self._turn = turn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_in_turn, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        start_thread(self._thread)

    def stop(self) -> None:
        """Call *stop* and wait for the thread, for some seconds."""
        self._stopping.set()
        self._stop()
        self._thread.join(PATIENCE)

    def _run_in_turn(self) -> None:
        while not self._turn.taken():
            if without_fail(partial(self._stopping.wait, LOOK)):
                return
        try:
            self._run()
        finally:
            self._turn.give_up()


@dataclass(slots=True, eq=False)
class _Started:
    """A companion that was made.

    :param process: the id of the process that it is of.
    :ivar runs: whether it has been started.
    """

    companion: Companion
    process: int
    runs: bool = False

    def start(self) -> None:
        try:
            self.companion.start()
            self.runs = True
        except RuntimeError as exc:
            # No thread to be had now.
            logger.error("A background service cannot be started, trying again: %s", exc)


#: Those that were made and are not stopped, and when to start those again that do not run.
_all: list[_Started] = []
_starts_at = 0.0


@contextmanager
def running(makers: Iterable[Callable[[], Companion | None]]) -> Iterator[None]:
    """Run companions meanwhile; one that fails to start or to stop is logged."""
    global _starts_at
    mine: list[_Started] = []
    for make in makers:
        try:
            companion = make()
            if companion is not None:
                started = _Started(companion, os.getpid())
                started.start()
                mine.append(started)
        except Exception:
            logger.exception("A background service did not start; receivers run without it")
    _starts_at = time.monotonic() + RETRY
    _all.extend(mine)
    try:
        yield
    finally:
        for started in reversed(mine):
            _all.remove(started)
            try:
                if started.runs:
                    started.companion.stop()
            except Exception:
                logger.exception("A background service did not stop cleanly")


def start_what_waits() -> None:
    """Start companions of this process that found no thread; called about once a second."""
    global _starts_at
    if all(each.runs for each in _all) or time.monotonic() < _starts_at:
        return
    _starts_at = time.monotonic() + RETRY
    for each in _all:
        # Others are the parent's.
        if not each.runs and each.process == os.getpid():
            each.start()
