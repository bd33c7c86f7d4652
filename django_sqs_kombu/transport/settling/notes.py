"""Notes: a thread that writes what must be written down before messages are settled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from ...logs import get_logger
from ...new_threads import start_thread, without_fail
from ...printable import line, repr_of, text_of
from ...quotas import MAX_MESSAGES
from ..holding.held import Held
from ..holding.note import Forgoing, Note, NoteWriter
from ..holding.table import HeldMessages
from ..sqs.threads import aside
from ..sqs.wire.reactor import reactor
from .settlements import Settlement, Settlements
from .starts import Start, Starts

logger = get_logger(__name__)

#: The most notes that are written at once, and how many do not wait for others any more.
MOST_AT_ONCE, ENOUGH = 100, MAX_MESSAGES
#: How many times as long as a write took the next one waits, so that more go together: a
#: transaction costs as much as several notes do.  Seconds that it waits at most.
REST, LONGEST_REST = 10, 0.05
#: Seconds without a note after which the thread ends, and with it the connections that it has.
IDLE = 60.0
#: Seconds until a thread that could not be started is tried again.
PAUSE = 1.0


class Notes:
    """Settlements that wait for their notes to be written, and the thread that writes them.

    A crash before the write leaves a message that is received again, as one before its
    deletion does; a crash after it leaves one that finds what was written.  One thread for
    all queues: while it writes others collect, so a slow database makes batches grow.

    :param table: what is held; its lock guards what waits.
    :param settlements: decides when one that failed is tried again, and when it is given up.
    :param written: called with the settlements whose notes are written.
    :param hurrying: whether what waits is written at once, however little it is.
    """

    def __init__(
        self,
        table: HeldMessages,
        settlements: Settlements,
        written: Callable[[list[Settlement]], None],
        hurrying: Callable[[], bool],
    ) -> None:
        self._table = table
        self._settlements = settlements
        self._written = written
        self._hurrying = hurrying
        self._setup()

    def _setup(self) -> None:
        self._changed = threading.Condition(self._table.lock)
        self._waiting: list[Settlement] = []
        self._starts = Starts()
        self._writing = 0
        #: When the thread looks again; what is due before must wake it.
        self._looks_at = 0.0
        #: Before that nothing is written for being much.
        self._rests_until = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None
        #: Whether one is to be started soon, since none could be.
        self._tries_again = False

    def add(self, settlement: Settlement) -> None:
        """Write the note of a settlement soon."""
        with self._changed:
            self._waiting.append(settlement)
            if self._thread is None:
                self._start()
            elif settlement.due < self._looks_at or len(self._waiting) == ENOUGH:
                self._changed.notify()

    def add_start(self, held: Held, note: Note) -> None:
        """Write a note of a receiver that has started, should it run for longer than a moment."""
        with self._changed:
            self._starts.add(held, note, time.monotonic())
            if self._thread is None:
                self._start()
            elif self._starts.due() < self._looks_at:
                self._changed.notify()

    @property
    def done(self) -> bool:
        """Whether no note waits or is being written."""
        with self._changed:
            return not (self._waiting or self._writing)

    def look(self) -> None:
        """Somebody hurries now."""
        with self._changed:
            self._changed.notify()

    def close(self) -> list[Settlement]:
        """End the thread; return what it did not write."""
        with self._changed:
            self._closed = True
            self._starts.clear()
            waiting, self._waiting = self._waiting, []
            self._changed.notify()
            return waiting

    def forget(self) -> None:
        """After a fork, in the child: what waits is the parent's, and so is the thread."""
        self._setup()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="sqs-notes", daemon=True)
        try:
            start_thread(thread)
        except RuntimeError as exc:
            # No thread to be had now.  The lock is held, so others tell it, if any are there.
            aside(partial(_say_not_started, exc))
            if not self._tries_again:
                # The next note tries, too; but none may come.
                self._tries_again = True
                reactor.at(time.monotonic() + PAUSE, self._try_to_start)
            return
        self._thread = thread

    def _try_to_start(self) -> None:
        with self._changed:
            self._tries_again = False
            if self._thread is None and (self._waiting or self._starts):
                self._start()

    # In the thread.

    def _run(self) -> None:
        used: set[NoteWriter] = set()
        while (work := without_fail(self._next)) is not None:
            settlements, starts = work
            started: dict[NoteWriter, list[Start]] = {}
            for start in starts:
                started.setdefault(start.note.writer, []).append(start)
            by_writer: dict[NoteWriter, list[Settlement]] = {}
            for each in settlements:
                if each.held.note is not None:
                    by_writer.setdefault(each.held.note.writer, []).append(each)
            used.update(by_writer, started)
            for writer, some in by_writer.items():
                self._write(writer, some)
            for writer, running in started.items():
                self._write_starts(writer, running)
        for writer in used:
            try:
                writer.rest()
            except Exception:
                logger.exception("Connections of the thread that writes notes were not closed")

    def _next(self) -> tuple[list[Settlement], list[Start]] | None:
        """Wait for notes to write; None: there was nothing for a long time."""
        idle_at = time.monotonic() + IDLE
        with self._changed:
            while True:
                now = time.monotonic()
                ripe, starts = self._ripe(now), self._starts.ripe(now)
                if ripe or starts:
                    return ripe, starts
                waits = self._waiting or self._starts
                if not waits and (self._closed or now >= idle_at):
                    self._thread = None
                    return None
                due = min((each.due for each in self._waiting), default=idle_at)
                self._looks_at = min(due, self._starts.due())
                if len(self._waiting) >= ENOUGH:
                    self._looks_at = min(self._looks_at, self._rests_until)
                self._changed.wait(max(0.0, self._looks_at - now))

    def _ripe(self, now: float) -> list[Settlement]:
        """Those whose notes are written now, which are taken out."""
        ripe = [each for each in self._waiting if each.due <= now]
        many = len(self._waiting) >= ENOUGH
        fresh = any(not each.tries for each in ripe)
        if fresh or self._hurrying() or (many and now >= self._rests_until):
            # A write costs the same for all that wait, and what is written together is
            # deleted together.  What has failed keeps its pause all the same, and when
            # it is due it takes no others along into its next failure.
            ripe += [each for each in self._waiting if each.due > now and not each.tries]
        ripe = ripe[:MOST_AT_ONCE]
        chosen = set(map(id, ripe))
        self._waiting = [each for each in self._waiting if id(each) not in chosen]
        self._writing = len(ripe)
        return ripe

    def _try_again(self, settlements: list[Settlement], exc: Exception) -> None:
        # Without the lock: it may be told, to a handler that blocks.
        again = self._settlements.tried_again(settlements, exc, time.monotonic())
        with self._changed:
            self._waiting += again
            self._writing -= len(settlements)

    def _write(self, writer: NoteWriter, settlements: list[Settlement]) -> None:
        contents = [each.held.note.content for each in settlements if each.held.note is not None]
        began = time.monotonic()
        try:
            writer.write(contents)
        except BaseException as exc:  # noqa: BLE001 - a database that is away, a sys.exit(), say
            why = _told(exc)
            given_up = (
                self._hurrying() and isinstance(writer, Forgoing) and writer.forgo(contents, why)
            )
            if not given_up:
                self._try_again(settlements, why)
                return
        ended = time.monotonic()
        self._rests_until = ended + min(REST * (ended - began), LONGEST_REST)
        for each in settlements:
            each.held.note = None
            each.tries = 0
        with self._changed:
            self._written(settlements)
            self._writing -= len(settlements)

    def _write_starts(self, writer: NoteWriter, starts: list[Start]) -> None:
        try:
            writer.write([each.note.content for each in starts])
        except BaseException as exc:  # noqa: BLE001 - the same
            logger.warning(
                "The start of %d receivers could not be noted, trying again: %s",
                len(starts),
                line(text_of(_told(exc))),
            )
            with self._changed:
                self._starts.put_back(starts, time.monotonic())


def _told(exc: BaseException) -> Exception:
    # A SystemExit says no more than a number.
    return exc if isinstance(exc, Exception) else RuntimeError(repr_of(exc))


def _say_not_started(exc: Exception) -> None:
    logger.error("The thread that writes notes cannot be started: %s", exc)
