"""Keeper: the threads that renew and settle what a channel holds."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from ...exceptions import RequestFailed, SQSError
from ...logs import get_logger
from ..holding.held import Held, HeldMessages, State
from ..holding.leases import Leases, Renewal
from ..sqs.requests import Requests
from .notes import Notes
from .objects import ObjectDeletions
from .settlements import Batch, Settlement, Settlements

logger = get_logger(__name__)

#: The most threads: requests that hang must not hold up those of other queues.
MAX_THREADS = 8
#: Seconds after which a thread looks again, whatever it was told.
LOOK = 5.0
#: Seconds that a close waits for payloads in S3 to be deleted.
OBJECTS_TIMEOUT = 2.0
#: Seconds that a thread pauses after an error that nobody expected.
PAUSE = 1.0

Job = Callable[[], None]


class Keeper:
    """Renews every lease of a channel, and sends every settlement, in a few threads.

    They start with the first message.  One of them always waits, so that whatever the others'
    requests do, the next that is due finds one.

    :param requests: what sends the requests.
    :param table: what is held.
    :param objects: what deletes the payloads in S3 of deleted messages.
    :param linger: seconds that a settlement waits for others to share a request with.
    :param stale: whether a message that waits is better given back than renewed.
    :param give_back: gives such messages back.
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
        self._table = table
        self._objects = objects
        self._linger = linger
        self._give_back = give_back
        self._leases = Leases(table, stale)
        self._settlements = Settlements(table)
        self._hurrying = 0
        self._notes = Notes(table, self._settlements, self._noted, lambda: bool(self._hurrying))
        self._setup()

    def _setup(self) -> None:
        self._changed = threading.Condition(self._table.lock)
        self._settled = threading.Condition(self._table.lock)
        self._threads: list[threading.Thread] = []
        #: When each thread that waits looks again; what is due before must wake one.
        self._looks_at: dict[int, float] = {}
        #: Threads that were started and have not looked yet.
        self._starting = 0
        self._hurrying = 0
        self._closed = False
        #: Set when the channel was dropped without having been closed.
        self.abandoned = False

    # From any thread.

    def keep(self, held: Iterable[Held]) -> None:
        """Renew the leases of *held*, which have just been received."""
        with self._changed:
            self._wake(min((each.renew_at for each in held), default=math.inf))

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

    def release(self, held: Iterable[Held]) -> None:
        """Make held messages visible to others as soon as SQS can be told."""
        for each in held:
            self.hide(each, 0, linger=False)

    def delete_now(self, held: Held) -> None:
        """Delete a held message; return when SQS has confirmed it.

        :raises RequestFailed: it has not; the message is held as before, or was given back
            meanwhile.
        """
        if not self._table.settle(held, delete=True):
            raise RequestFailed(
                f"Message {held.message_id} of queue {held.queue} is not held any more",
                operation="DeleteMessageBatch",
                queue=held.queue,
                code="NotHeld",
                lost=True,
            )
        try:
            [error] = self._requests.delete_batch(held.queue, [held.message])
            if error is not None and not error.lost:
                raise error
        except BaseException:
            self._table.unsettle(held)
            raise
        self._table.end(held)
        self._objects.delete(held.message)

    def flush(self, timeout: float) -> bool:
        """Send what is collected; return whether all was confirmed within *timeout* seconds."""
        with self._changed:
            self._hurrying += 1
            try:
                self._wake(0.0)
                self._notes.look()
                return self._settled.wait_for(lambda: self._done, timeout)
            finally:
                self._hurrying -= 1

    def close(self, timeout: float) -> None:
        """Flush for *timeout* seconds at most, log what is left, and end the threads."""
        flushed = self.flush(timeout)
        unwritten = self._notes.close()
        if not flushed:
            reason = f"the connection was closed, and {timeout:g} s have passed"
            self._settlements.give_up(reason, unwritten)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._objects.close(min(timeout, OBJECTS_TIMEOUT))

    def forget(self) -> None:
        """After a fork, in the child: the threads and what they hold are the parent's."""
        self._settlements.forget()
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
        with self._changed:
            if not self._table.settle(held, delete=seconds is None):
                return
            try:
                due = time.monotonic() + (self._linger if linger else 0.0)
                settlement = Settlement(held, seconds, due, with_payload, silent)
                if held.note is None:
                    full = self._settlements.add(settlement)
                else:
                    self._notes.add(settlement)
            except BaseException:
                # A receiver's timeout may strike anywhere. Decided and in no list, the message
                # would be renewed for ever.
                self._table.unsettle(held)
                raise
            if held.note is None:
                self._wake(0.0 if full else due)

    def _noted(self, settlements: Sequence[Settlement]) -> None:
        """The notes are written: now SQS may know."""
        now = time.monotonic()
        with self._changed:
            for each in settlements:
                if each.silent:
                    self._table.end(each.held)
                elif each.held.state is not State.GONE:
                    each.due = now
                    self._settlements.add(each)
            self._wake(0.0)
            self._settled.notify_all()

    @property
    def _done(self) -> bool:
        return self._notes.done and self._settlements.done

    def _wake(self, due: float) -> None:
        if self._starting:
            return
        if self._looks_at:
            if due < min(self._looks_at.values()):
                self._changed.notify()
            return
        # Also after the end: what a poll brings that was under way then is given back.
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) < MAX_THREADS:
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(
            target=self._run, name=f"sqs-keeper-{len(self._threads) + 1}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as exc:
            # No thread to be had now. Those there are do the work; else the next call tries.
            logger.error("A thread that settles messages cannot be started: %s", exc)
            return
        self._threads.append(thread)
        self._starting += 1

    # In the threads.

    def _run(self) -> None:
        with self._changed:
            self._starting -= 1
        while True:
            try:
                job = self._next_job()
                if job is None:
                    break
                job()
            except Exception:
                logger.exception("Renewing and settling messages failed, trying again")
                time.sleep(PAUSE)
            with self._changed:
                self._settled.notify_all()
        if self.abandoned:
            # Nobody closes it.
            self._objects.close(0.0)

    def _next_job(self) -> Job | None:
        """Wait for something to do, and leave another thread waiting; None: closed."""
        me = threading.get_ident()
        with self._changed:
            while True:
                now = time.monotonic()
                job = self._job(now)
                if job is None and (self._closed or (self.abandoned and self._done)):
                    # A poll that was under way may still bring something: then another starts.
                    self._threads.remove(threading.current_thread())
                    return None
                due = min(self._leases.next_due(), self._settlements.next_due(), now + LOOK)
                if job is not None:
                    # Whatever becomes of this one's request, the next that is due finds another.
                    self._wake(due)
                    return job
                self._looks_at[me] = due
                try:
                    self._changed.wait(max(0.0, due - now))
                finally:
                    del self._looks_at[me]

    def _job(self, now: float) -> Job | None:
        if self.abandoned:
            # Nobody settles what its consumers had.
            self.release(self._table.all())
        if stale := self._leases.stale(now):
            return lambda: self._give_back(stale)
        if (renewal := self._leases.due(now)) is not None:
            return lambda: self._renew(renewal)
        if (batch := self._settlements.ripe(now, hurry=bool(self._hurrying))) is not None:
            return lambda: self._send(batch)
        return None

    def _renew(self, renewal: Renewal) -> None:
        asked_at = time.monotonic()
        try:
            errors = self._requests.change_visibility_batch(
                renewal.queue, renewal.messages, renewal.seconds
            )
            self._leases.answered(renewal, errors, asked_at)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the lease is renewed again
            self._leases.failed(renewal, exc, asked_at)

    def _send(self, batch: Batch) -> None:
        try:
            if batch.deletes:
                errors = self._requests.delete_batch(batch.queue, batch.messages)
            else:
                errors = self._requests.change_visibility_batch(
                    batch.queue, batch.messages, batch.seconds
                )
        except Exception as exc:
            if not isinstance(exc, SQSError):
                logger.exception("Settling messages of queue %s failed", batch.queue)
            self._settlements.failed(batch, exc, time.monotonic())
            return
        for settlement in self._settlements.answered(batch, errors, time.monotonic()):
            if batch.deletes and settlement.with_payload:
                self._objects.delete(settlement.held.message)

    @property
    def unsettled(self) -> list[Held]:
        """What is decided and not confirmed."""
        return self._table.all(State.SETTLING)
