"""Relay: sends what is in the outbox, in order for each FIFO group."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue

from django.db import Error, connections

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread, without_fail
from django_sqs_kombu.registration import may_be_there

from ..conf import conf
from ..connections import discard_own, let_go, used_here
from ..not_migrated import told
from ..registry import receivers
from . import claims
from .claims import Claim, OutboxQueue
from .databases import Tables
from .sending import Report, reason, send

logger = get_logger(__name__)

#: Queues that are sent to at once: one that hangs holds up none of the others.
AT_ONCE = 8
#: The first and the longest pause before what failed is tried again, in seconds.
FIRST_PAUSE, LAST_PAUSE = 1.0, claims.LONGEST_PAUSE.total_seconds()
#: The longest pause of a database, in seconds.
LAST_DATABASE_PAUSE = 16.0
#: Rows that are tried of a queue that could not be sent to the last time.
PROBE = 10
#: Queues whose last turn is remembered: suffixes may come without an end.
REMEMBERED = 1_000
#: Seconds between two looks, of a queue, at times that a wrong clock may have written.
CLOCKS_PERIOD = 60.0
#: Seconds that a relay which is stopped waits for the requests under way, and their databases.
LAST_WAIT = 4.0


class Rests:
    """What failed and is left alone for a while, longer each time."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._resting: dict[Hashable, tuple[float, float]] = {}

    def begin(self, what: Hashable) -> float:
        """Leave *what* alone from now on; return for how many seconds."""
        last, _ = self._resting.get(what, (0.0, 0.0))
        pause = min(self._longest, max(FIRST_PAUSE, last * 2))
        self._resting[what] = pause, time.monotonic() + pause
        return pause

    def end(self, what: Hashable) -> None:
        """It is well again."""
        self._resting.pop(what, None)

    def failed(self, what: Hashable) -> bool:
        """Whether it failed the last time."""
        return what in self._resting

    def rests(self, what: Hashable) -> bool:
        """Whether to leave it alone now."""
        return what in self._resting and time.monotonic() < self._resting[what][1]


class Relay:
    """Sends the rows of the outbox and deletes them.

    Each queue is served by itself, so that one which is missing, denied or silent costs only
    its own rows.  Any number of relays may run: a row belongs to the one that claimed it.  A
    crash between the sending and the deleting means that a message is sent again with the same
    id: a FIFO queue drops it, and so does a receiver with ``once=True``.

    The thread that runs it asks the databases; others, of its own, ask SQS.

    :param period: seconds between two looks into an empty outbox.
    """

    def __init__(self, period: float = 1.0) -> None:
        self._period = period
        self._stopping = False
        self._tables = Tables()
        self._queue_rests = Rests(LAST_PAUSE)
        self._database_rests = Rests(LAST_DATABASE_PAUSE)
        self._under_way: dict[OutboxQueue, Claim] = {}
        #: What was sent and is not written into the database yet.
        self._to_settle: list[tuple[Claim, Report]] = []
        #: Claims that a database failed on: they may be in it, and nothing of them is sent.
        self._in_doubt: list[Claim] = []
        #: Why a database could not be served.
        self._trouble: Exception | None = None
        #: Queues that had their turn, the latest last, and when the next look at their times is.
        self._served: dict[OutboxQueue, float] = {}
        #: Reports of the threads that send; None wakes the relay.
        self._news: SimpleQueue[tuple[Claim, Report] | None] = SimpleQueue()

    def stop(self) -> None:
        """Make :meth:`run` return after the requests that are under way."""
        self._stopping = True
        self._news.put(None)

    def run(self) -> None:
        """Send until stopped."""
        try:
            while not self._stopping:
                # What is under way is written down although a router, say, fails.
                for step in (self._start_what_waits, partial(self._settle_next, self._period)):
                    try:
                        step()
                    except Exception:
                        logger.exception("Relaying the outbox failed, trying again")
            self._finish()
        finally:
            for connection in used_here():
                if not connection.in_atomic_block:
                    let_go(connection)

    def send_all(self) -> int:
        """Send until nothing is left that can be sent now; return how many were.

        :raises Exception: a database could not be served; the others were.
        """
        total, self._trouble = 0, None
        try:
            while True:
                self._start_what_waits()
                to_write = self._to_settle or self._in_doubt
                if not self._under_way and (self._trouble or not to_write):
                    break
                total += self._settle_next(self._period)
        finally:
            total += self._finish()
        if self._trouble is not None:
            raise self._trouble
        return total

    def _finish(self) -> int:
        """Wait for the requests under way, and for a database to take what was sent.

        What stays in it is sent again.

        :returns: how many rows SQS accepted.
        """
        sent, deadline = 0, time.monotonic() + LAST_WAIT
        while (self._under_way or self._to_settle or self._in_doubt) and (
            left := deadline - time.monotonic()
        ) > 0:
            sent += self._settle_next(min(left, FIRST_PAUSE / 2))
        return sent

    def _start_what_waits(self) -> None:
        """Claim rows of each queue that has some, and send them, side by side."""
        for database in self._tables.databases():
            if self._database_rests.rests(database):
                continue
            with self._guarded(database):
                for queue in self._in_turn(claims.waiting_queues(database)):
                    if len(self._under_way) >= AT_ONCE:
                        return
                    self._start(queue)

    def _in_turn(self, waiting: list[OutboxQueue]) -> list[OutboxQueue]:
        """The queues that are to be served, those first that waited longest for their turn."""
        busy = {*self._under_way, *(claim.queue for claim, _ in self._to_settle)}
        turns = {queue: number for number, queue in enumerate(self._served)}
        ready = [q for q in waiting if q not in busy and not self._queue_rests.rests(q)]
        return sorted(ready, key=lambda queue: turns.get(queue, -1))

    def _start(self, queue: OutboxQueue) -> None:
        self._served[queue] = self._served.pop(queue, 0.0)
        if len(self._served) > REMEMBERED:
            del self._served[next(iter(self._served))]
        most = PROBE if self._queue_rests.failed(queue) else claims.ROWS
        claim = claims.claim(queue, most, self._in_doubt)
        if claim is not None:
            self._begin(claim)
        # Rows are left that may be held up.
        is_all = claim is None or len(claim.rows) < most
        if is_all and self._served[queue] <= time.monotonic():
            self._served[queue] = time.monotonic() + CLOCKS_PERIOD
            claims.believe_no_wrong_clocks(queue)

    def _begin(self, claim: Claim) -> None:
        self._under_way[claim.queue] = claim
        if receivers.outlet is not None:
            # A test's, which may look into the database in its own transaction.
            self._news.put((claim, send(claim, self._goes_on)))
            return
        thread = threading.Thread(
            target=self._send, args=[claim], name="sqs-relay-send", daemon=True
        )
        try:
            start_thread(thread)
        except RuntimeError as exc:
            # No thread to be had now.  Nobody else would report, and the queue wait for ever.
            self._news.put((claim, Report(stopped=exc)))

    def _goes_on(self) -> bool:
        return not self._stopping

    def _send(self, claim: Claim) -> None:
        report = Report()
        try:
            report = send(claim, self._goes_on)
        except BaseException as exc:  # noqa: BLE001 - the relay waits for a report
            report.stopped = RuntimeError(f"The sending thread ended: {exc!r}")
        finally:
            try:
                # What middleware opened in this thread.
                connections.close_all()
            finally:
                self._news.put((claim, report))

    def _settle_next(self, timeout: float) -> int:
        """Write down what became of the next claim; return how many rows SQS accepted."""
        news = self._wait(timeout)
        if news is not None:
            del self._under_way[news[0].queue]
            self._to_settle.append(news)
        sent = 0
        for claim, report in list(self._to_settle):
            database = claim.queue.database
            if self._database_rests.rests(database):
                continue
            with self._guarded(database):
                claims.delete(claim, report.sent)
                sent += len(report.sent)
                report.sent.clear()
                self._settle(claim, report)
                self._to_settle.remove((claim, report))
        for claim in list(self._in_doubt):
            database = claim.queue.database
            if self._database_rests.rests(database):
                continue
            with self._guarded(database):
                claims.release(claim)
                self._in_doubt.remove(claim)
        return sent

    def _wait(self, timeout: float) -> tuple[Claim, Report] | None:
        try:
            return without_fail(partial(self._news.get, timeout=timeout))
        except Empty:
            return None

    def _settle(self, claim: Claim, report: Report) -> None:
        """Write why rows were not accepted, and give back what was not tried."""
        for failure in report.failures:
            row, why = failure.row, reason(failure.error)
            refusals = row.refusals + (not failure.passes)
            if failure.final or (not failure.passes and refusals >= conf.outbox_tries):
                claims.fail(claim, row, why, in_doubt=may_be_there(failure.error))
                logger.error("Message %s was not sent and is set aside as failed: %s", row, why)
                continue
            pause = min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(row.tries, 10))
            claims.postpone(claim, row, why, pause, refused=not failure.passes)
            logger.warning("Message %s was not sent, trying again in %d s: %s", row, pause, why)
        if report.stopped is not None:
            self._stopped(claim, report.stopped)
            return
        self._queue_rests.end(claim.queue)
        if report.untried:
            claims.release(claim)

    def _stopped(self, claim: Claim, error: Exception) -> None:
        why = reason(error)
        claims.explain(claim, why)
        pause = self._queue_rests.begin(claim.queue)
        logger.error(
            "The outbox cannot send to queue %s, trying again in %d s: %s",
            claim.queue,
            pause,
            why,
        )

    @contextmanager
    def _guarded(self, database: str) -> Iterator[None]:
        """Let a database that fails rest; the others are served."""
        try:
            yield
        except Exception as exc:
            # Not only what a database says: where AWS tells its password, that may fail.
            self._trouble = exc
            pause = self._database_rests.begin(database)
            logger.error(
                "The outbox of database %r cannot be processed, trying again in %d s: %s",
                database,
                pause,
                told(exc, database),
                exc_info=None if isinstance(exc, Error) else exc,
            )
            if database in connections:  # Unless it was removed from the settings.
                discard_own(database)
        else:
            self._database_rests.end(database)
