"""Keeper: renews and settles what a channel holds, when it is due."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from ...exceptions import RequestFailed, SQSError
from ...logs import finish as finish_logs
from ...logs import get_logger
from ...names import FIFO
from ..holding.held import Held, State
from ..holding.leases import Leases, Renewal
from ..holding.note import Note
from ..holding.table import HeldMessages
from ..sqs.files import most_settling
from ..sqs.received import Message
from ..sqs.requests import Requests
from ..sqs.threads import aside
from ..sqs.wire.reactor import Timer, reactor
from .notes import Notes
from .objects import ObjectDeletions
from .settlements import Batch, Settlement, Settlements, no_longer_held

logger = get_logger(__name__)

#: Seconds after which it looks again, whatever it was told, while anything is held.
LOOK = 5.0
#: The fewest seconds between two looks, whatever is due.
FLOOR = 0.005
#: Seconds that the deletion of a FIFO queue's message waits for those of other groups.
FIFO_LINGER = 0.025
#: Seconds that a close waits for payloads in S3 to be deleted.
OBJECTS_TIMEOUT = 2.0
#: Seconds that a flush waits for handlers of logs.
LOGS_TIMEOUT = 0.5
#: Seconds to pause after an error that nobody expected.
PAUSE = 1.0

_DELIVERED = State.DELIVERED

Errors = list[RequestFailed | None] | Exception
#: Hears what came of a request: for each message None, or why it was refused; or why all were.
Told = Callable[[Errors], None]


class Keeper:
    """Renews every lease of a channel, and sends every settlement; it has no thread.

    Requests are begun in the thread of the reactor, and their answers taken in whatever thread
    they come in; the table's lock guards all of it.

    :param requests: what sends the requests.
    :param table: what is held.
    :param objects: what deletes the payloads in S3 of deleted messages.
    :param linger: seconds that a settlement waits for others to share a request with.
    :param stale: whether a message that waits is better given back than renewed.
    :param give_back: gives such messages back.
    :ivar begin_delete: begins a request that deletes messages of a queue; where somebody else
        deletes them, what takes note of it.
    """

    def __init__(
        self,
        requests: Requests,
        table: HeldMessages,
        objects: ObjectDeletions,
        *,
        linger: float,
        stale: Callable[[Held, float], bool],
        give_back: Callable[[Sequence[Held]], None],
    ) -> None:
        self._requests = requests
        self.begin_delete: Callable[[str, Sequence[Message], Told], object]
        self.begin_delete = requests.begin_delete_batch
        self._table = table
        self._objects = objects
        self._linger = linger
        self._give_back = give_back
        self._leases = Leases(table, stale)
        self._settlements = Settlements(table)
        self._notes = Notes(table, self._settlements, self._noted, lambda: bool(self._hurrying))
        self._setup()

    def _setup(self) -> None:
        self._settled = threading.Condition(self._table.lock)
        self._hurrying = 0
        self._most_under_way = most_settling()
        self._under_way = 0
        #: Of these, those that settle messages.
        self._sending = 0
        #: What makes it look next, if anything does.
        self._timer: Timer | None = None
        self._looks_soon = False
        #: Set when the channel was dropped without having been closed.
        self.abandoned = False

    # From any thread.

    def keep(self, held: Iterable[Held]) -> None:
        """Renew the leases of *held*, which have just been received."""
        with self._table.lock:
            self._leases.add(held)
            self._wake(self._leases.next_due())

    def delete(self, held: Held, *, linger: bool = True, with_payload: bool = True) -> None:
        """Delete a held message soon.

        :param linger: whether it may wait for others to share a request with.
        :param with_payload: whether its payload in S3 is deleted, too.
        """
        self._settle(held, None, linger=linger, with_payload=with_payload)

    def hide(self, held: Held, seconds: int, *, linger: bool = True) -> None:
        """Hide a held message soon, for *seconds* from then; 0: others may have it at once."""
        self._settle(held, seconds, linger=linger)

    def abandon(self, held: Held) -> None:
        """Tell SQS nothing; it redelivers the message after its visibility timeout."""
        if held.note is None:
            self._table.end(held)
        else:
            self._settle(held, 0, linger=False, silent=True)

    def note_start(self, held: Held, note: Note) -> None:
        """Have a note written soon, unless the message's end is noted before."""
        self._notes.add_start(held, note)

    def release(self, held: Iterable[Held]) -> None:
        """Make held messages visible to others as soon as SQS can be told."""
        for each in held:
            self.hide(each, 0, linger=False)

    def delete_now(self, held: Held) -> None:
        """Delete a held message; return when SQS has confirmed it.

        :raises RequestFailed: it has not; it is held as before, or was given back meanwhile.
        """
        ours = False
        try:
            with self._table.lock:
                ours = held.state <= _DELIVERED
                self._table.settle(held, delete=True)
            if not ours:
                raise no_longer_held(held)
            [error] = self._requests.delete_batch(held.queue, [held.message])
            if error is not None and not error.lost:
                raise error
        except BaseException:
            if ours:
                self._table.unsettle(held)
            raise
        self._table.end(held, deleted=True)
        self._objects.delete(held)

    def flush(self, timeout: float) -> bool:
        """Send what is collected; return whether all was confirmed within *timeout* seconds."""
        with self._settled:
            self._hurrying += 1
            try:
                done = self._done
                if not done:
                    # At an exit no thread could be started, and nothing needs one.
                    self._look_soon()
                    self._notes.look()
                    done = self._settled.wait_for(lambda: self._done, timeout)
            finally:
                self._hurrying -= 1
        # What is told of it is told before, too.
        finish_logs(LOGS_TIMEOUT)
        return done

    def finish_objects(self, timeout: float) -> None:
        """Wait for payloads in S3 to be deleted, for *timeout* seconds at most."""
        self._objects.close(timeout)

    def finish(self, timeout: float, why: str) -> None:
        """Flush for the last time, for *timeout* seconds at most, and log what is left.

        Only what passes by itself is waited for: what SQS refuses is tried once more.
        """
        self._settlements.hasten(time.monotonic())
        flushed = self.flush(timeout)
        unwritten = self._notes.close()
        if not flushed:
            self._settlements.give_up(f"{why}, and {timeout:g} s have passed", unwritten)

    def close(self, timeout: float) -> None:
        """Flush as :meth:`finish` does, and have payloads in S3 deleted."""
        self.finish(timeout, "the connection was closed")
        self._objects.close(min(timeout, OBJECTS_TIMEOUT))

    def forget(self) -> None:
        """After a fork, in the child: what is held and under way is the parent's."""
        self._settlements.forget()
        self._leases.forget()
        self._objects.forget()
        self._setup()
        self._notes.forget()

    def _settle(
        self,
        held: Held,
        seconds: int | None,
        *,
        linger: bool,
        with_payload: bool = True,
        silent: bool = False,
    ) -> None:
        with self._table.lock:
            if held.state > _DELIVERED:
                return
            try:
                self._table.settle(held, delete=seconds is None)
                now = time.monotonic()
                queue, due = held.queue, now
                if linger:
                    due += self._fifo_linger(queue) if queue.endswith(FIFO) else self._linger
                settlement = Settlement(held, seconds, due, with_payload, silent)
                if held.note is None:
                    full = self._settlements.add(settlement) or due <= now
                else:
                    full = False
                    self._notes.add(settlement)
            except BaseException:
                # A timeout may strike anywhere. Decided and in no list, it were renewed for ever.
                self._table.unsettle(held)
                raise
            timer = self._timer
            if (
                not full
                and held.note is None
                and not (reactor.runs and timer is not None and timer.when <= due)
            ):
                self._wake(due)
        if full:
            # Without the lock, which the thread that it wakes wants.  Should a timeout strike
            # before, what is held makes it look a few seconds later.
            self._look_soon()

    def _fifo_linger(self, queue: str) -> float:
        # The next message of its group waits for the answer.
        others = self._table.delivered(queue) + self._table.startable(queue)
        return min(self._linger, FIFO_LINGER) if others > 0 else 0.0

    def _noted(self, settlements: Sequence[Settlement]) -> None:
        """The notes are written: now SQS may know."""
        now = time.monotonic()
        with self._settled:
            for each in settlements:
                if each.silent:
                    self._table.end(each.held)
                elif each.held.state is not State.GONE:
                    each.due = now
                    self._settlements.add(each)
            self._look_soon()
            self._settled.notify_all()

    @property
    def _done(self) -> bool:
        return self._notes.done and self._settlements.done and not self._sending

    def _wake(self, due: float) -> None:
        """Look at *due*, or before."""
        timer = self._timer
        if due == math.inf or (timer is not None and timer.when <= due):
            reactor.revive()
            return
        # A receiver's timeout may strike anywhere: there is always one that is not cancelled.
        self._timer = reactor.at(due, self._look)
        if timer is not None:
            timer.cancel()

    def _look_soon(self) -> None:
        if self._looks_soon:
            reactor.revive()
        else:
            self._looks_soon = True
            reactor.soon(self._look)

    # In the thread of the reactor.

    def _look(self) -> None:
        """Begin the requests that are due."""
        with self._settled:
            self._looks_soon = False
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            due = time.monotonic() + PAUSE
            try:
                stale, renewals, batches, due = self._due()
            finally:
                # Also after an error that nobody expected.
                self._wake(due)
                self._settled.notify_all()
        if stale:
            # It may have to ask something before.
            aside(lambda: self._give_back(stale))
        for renewal in renewals:
            self._renew(renewal)
        for batch in batches:
            self._send(batch)

    def _due(self) -> tuple[list[Held], list[Renewal], list[Batch], float]:
        """What is to be done now, and when to look next."""
        if self.abandoned:
            # Nobody settles what its consumers had.
            self.release(self._table.all())
        now = time.monotonic()
        stale, renewals = self._leases.due(now)
        self._under_way += len(renewals)
        hurry = bool(self._hurrying) or self.abandoned
        most = max(0, self._most_under_way - self._under_way)
        batches = self._settlements.all_ripe(now, most, hurry=hurry)
        self._under_way += len(batches)
        self._sending += len(batches)
        if self._under_way >= self._most_under_way:
            # What ends makes it look again.
            due = self._leases.next_due()
        else:
            due = min(self._leases.next_due(), self._settlements.next_due())
        if len(self._table):
            due = min(due, now + LOOK)
        return stale, renewals, batches, max(due, now + FLOOR)

    def _renew(self, renewal: Renewal) -> None:
        asked_at = time.monotonic()

        def answered(errors: Errors) -> None:
            try:
                if isinstance(errors, Exception):
                    self._leases.failed(renewal, errors, asked_at)
                else:
                    self._leases.answered(renewal, errors, asked_at)
            finally:
                self._ended()

        with _told(answered):
            self._requests.begin_change_visibility_batch(
                renewal.queue, renewal.messages, renewal.seconds, answered
            )

    def _send(self, batch: Batch) -> None:
        def answered(errors: Errors) -> None:
            try:
                self._answered(batch, errors)
            finally:
                with self._settled:
                    self._sending -= 1
                self._ended()

        requests = self._requests
        with _told(answered):
            if batch.deletes:
                self.begin_delete(batch.queue, batch.messages, answered)
            else:
                requests.begin_change_visibility_batch(
                    batch.queue, batch.messages, batch.seconds, answered
                )

    # In any thread.

    def _answered(self, batch: Batch, errors: Errors) -> None:
        now = time.monotonic()
        if isinstance(errors, Exception):
            if not isinstance(errors, SQSError):
                logger.error("Settling messages of queue %s failed", batch.queue, exc_info=errors)
            self._settlements.failed(batch, errors, now)
            return
        for settlement in self._settlements.answered(batch, errors, now):
            if settlement.held.attributed and batch.deletes and settlement.with_payload:
                self._objects.delete(settlement.held)

    def _ended(self) -> None:
        """A request has ended: there may be another, and somebody who waits for it."""
        with self._settled:
            full = self._under_way >= self._most_under_way
            self._under_way -= 1
            if full or self._hurrying or self.abandoned:
                self._look_soon()
                self._settled.notify_all()
            else:
                self._wake(min(self._leases.next_due(), self._settlements.next_try))
            over = self.abandoned and self._done
        if over:
            # Nobody closes it.
            self._objects.close(0.0)


@contextmanager
def _told(answered: Told) -> Iterator[None]:
    """Have what is raised in the block, where nothing should be, told as an answer."""
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is tried again
        answered(exc)
