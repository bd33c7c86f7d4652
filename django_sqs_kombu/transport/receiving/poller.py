"""Poller: receives from one queue whenever somebody takes its messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from ...logs import get_logger
from ...quotas import MAX_MESSAGES, MAX_WAIT_TIME
from ..holding.held import Held, State
from ..sqs.abort import abort_request, allow_requests
from ..sqs.received import Message
from .consumption import Consumption, Receiving
from .demand import Answer, Demand
from .message_limit import ReceiveLimit
from .outage import FIRST_PAUSE, Outage
from .rest import Rest
from .terms import Terms

logger = get_logger(__name__)

#: How many polls of one queue may be under way besides the first.
MAX_HELPERS = 3
#: Seconds that a helper waits for places before it ends.
HELPER_PATIENCE = 1.0
#: Seconds between two looks of what waits for another receiver or a message limit.
LOOK = 0.2
#: Seconds beyond a poll's own wait that its end is waited for.
POLL_MARGIN = 14.0
#: Seconds beyond a poll's own wait from which its answer counts as late.
LATE = 1.0


class Poller:
    """Receives from one queue, in threads.

    One thread polls always, and waits in the poll when the queue is empty.  While the
    polls come back full, helpers poll beside it, so that a round trip to SQS does not
    bound what one queue can deliver.

    :param consumption: which queue, and how.
    :param receiving: what the pollers of its channel share.
    :param fifo: whether it is a FIFO queue.
    """

    def __init__(self, consumption: Consumption, receiving: Receiving, *, fifo: bool) -> None:
        self.queue = consumption.queue
        self.priority = consumption.priority
        self.consumption = consumption
        self._shared = receiving
        self._fifo = fifo
        self._terms: Terms | None = None
        self._asking = False
        self._usual_wait = receiving.wait_time if consumption.wait is None else consumption.wait
        self._longest_wait = min(MAX_WAIT_TIME, 2 * self._usual_wait)
        self._wait_time = self._usual_wait if consumption.lasting else min(1, self._usual_wait)
        self._rest = Rest(
            receiving.max_idle,
            max(1, self._longest_wait),
            longest=max(1.0, float(self._usual_wait)),
            interval=receiving.interval,
        )
        self._demand = Demand(
            self.queue,
            receiving.table,
            receiving.inbox.pace,
            seconds=lambda: self._terms.seconds if self._terms else None,
            room=receiving.room,
            # One at a time from a FIFO queue: SQS holds back a group's later messages only
            # from later receives, not within one answer.
            at_once=1 if fifo else MAX_MESSAGES,
            one_by_one=self._one_by_one,
            on_credit=self._on_credit,
        )
        self._room = threading.Condition(receiving.table.lock)
        self._waiters = 0
        self._woken = False
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._polling: set[threading.Thread] = set()
        self._outage = Outage(self.queue)

    # From any thread.

    @property
    def limit(self) -> ReceiveLimit | None:
        """The limit on messages received from this queue, if there is one."""
        return self.consumption.limit

    @property
    def has_waiting(self) -> bool:
        """Whether it has messages that no consumer took yet."""
        return bool(self._shared.table.waiting(self.queue))

    def start(self) -> None:
        """Start polling."""
        if self.consumption.free is not None:
            self._shared.inbox.pace.free = self.consumption.free
        self._shared.inbox.add(self)
        self._start_thread(self._poll_always)

    def wake(self) -> None:
        """Poll at once, should it rest since its queue is idle; from any thread."""
        self._rest.wake()

    def look(self) -> None:
        """There may be a place for another message, or somebody who takes it."""
        with self._room:
            # One at a time, and only for a poll that is worth it: to wake a thread costs CPU.
            if self._waiters and not self._woken and self._demand.worth_a_request:
                self._woken = True
                self._room.notify()

    def take(self) -> Held | None:
        """The oldest message that waits, which then is the consumer's."""
        # What was announced before a stop must not take what another poller of the queue, that
        # of a consumer that came later, has received.
        return None if self._stopping else self._shared.table.take(self.queue)

    def _one_by_one(self) -> bool:
        asked = self.consumption.one_by_one
        redrives = self._terms is None or self._terms.redrives
        return asked is not None and redrives and asked()

    def _on_credit(self) -> bool:
        lasts = self.consumption.lasting or self._shared.inbox.pace.always
        return not lasts and (self._terms is None or self._terms.redrives)

    def stale(self, held: Held, now: float) -> bool:
        """Whether a message that waits is better given back than renewed.

        Where SQS would bury it for being received too often it stays, unless its consumer has
        been gone for a visibility timeout and may never come back.
        """
        if self._is_forgotten(held, now):
            return True
        return not self._asking and not (self._terms and self._terms.redrives)

    def give_back_stale(self, held: Sequence[Held]) -> None:
        """Give back what waits for too long, where SQS still does not bury it for that."""
        now = time.monotonic()
        if not all(self._is_forgotten(each, now) for each in held):
            with self._room:
                if self._asking:
                    return
                # Until the answer is here they are renewed.
                self._asking = True
            try:
                self._terms = self._shared.terms.recent(self.queue)
            finally:
                self._asking = False
        self.give_back([each for each in held if self.stale(each, time.monotonic())])

    def _is_forgotten(self, held: Held, now: float) -> bool:
        """Whether its consumer has been gone for so long that it may never come back."""
        away = self._shared.inbox.pace.away(now)
        return not self.consumption.lasting and away > held.seconds

    def give_back(self, held: Sequence[Held]) -> None:
        """Make messages that were not started visible to others at once."""
        # Two threads may find the same ones: each is given back, and counted, by one of them.
        with self._shared.table.lock:
            mine = [each for each in held if each.state is State.WAITING]
            self._shared.keeper.release(mine)
        if not mine:
            return
        logger.info("Giving back %d message(s) to queue %s", len(mine), self.queue)
        if self.limit is not None:
            self.limit.give_back(len(mine))

    def give_back_taken(self, held: Held) -> None:
        """Make a message visible to others that was taken, and has no consumer any more."""
        self._shared.keeper.release([held])

    def stop(self, *, break_off: bool = False) -> None:
        """Poll no more; :meth:`finish` waits for what is under way.

        :param break_off: break off polls that are under way.  SQS may not notice at once, and
            hide messages that nobody gets for their visibility timeout.
        """
        self._stopping = True
        self._rest.wake()
        with self._room:
            self._room.notify_all()
        if break_off:
            with self._room:
                for thread in self._polling:
                    abort_request(thread)

    def finish(self) -> None:
        """Wait for the polls under way; then give back what waits, visible at once."""
        deadline = time.monotonic() + self._longest_wait + POLL_MARGIN
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        self._give_back_waiting()
        self._shared.inbox.remove(self)

    def abandon(self) -> None:
        """The channel was dropped: end soon, and give back what waits.  It takes no lock."""
        self._stopping = True

    @property
    def polls(self) -> bool:
        """Whether a poll is under way."""
        return bool(self._polling)

    def _give_back_waiting(self) -> None:
        # Another poller of the queue, that of a consumer that came later, keeps its own.
        waiting = self._shared.table.all(State.WAITING)
        self.give_back([held for held in waiting if held.receiver is self])

    # In the threads.

    def _start_thread(self, target: Callable[[], None]) -> None:
        with self._room:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            name = f"sqs-poller-{self.queue}-{len(self._threads)}"
            thread = threading.Thread(target=self._guarded, args=(target,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _guarded(self, target: Callable[[], None]) -> None:
        while True:
            try:
                target()
                return
            except Exception as exc:  # noqa: BLE001 - whatever it is, the queue is polled again
                self._recover(exc)

    def _poll_always(self) -> None:
        while not self._stopping:
            if self.limit is not None and self.limit.reached:
                # Not the end: a message that is given back unstarted lowers the count.
                self._shared.inbox.wake()
                self._rest_for(LOOK)
                continue
            self._rest.rest()
            if not self._stopping and self._poll(self._wait(), patience=1.0):
                self._start_helper()
        self._give_back_waiting()

    def _wait(self) -> int:
        """Seconds that the next poll waits for messages."""
        if self.consumption.lasting or self._shared.inbox.pace.away(time.monotonic()) == 0:
            return self._wait_time
        # Whoever is away may come back to close the connection, which waits for this poll.
        return min(1, self._wait_time)

    def _start_helper(self) -> None:
        with self._room:
            alive = sum(thread.is_alive() for thread in self._threads)
        if alive <= MAX_HELPERS and not self._stopping:
            try:
                self._start_thread(self._help)
            except RuntimeError as exc:
                logger.warning("Queue %s gets no further poll at once: %s", self.queue, exc)

    def _help(self) -> None:
        while not self._stopping and self._poll(0, patience=HELPER_PATIENCE):
            pass

    def _rest_for(self, seconds: float) -> None:
        with self._room:
            if not self._stopping:
                self._room.wait(seconds)

    def _poll(self, wait_time: int, *, patience: float) -> bool:
        """Poll once when there are places; return whether the answer was a full one.

        :param patience: seconds to wait for places that are worth a request.
        """
        if self._shared.inbox.more_urgent_waits(self):
            # What is received now would only wait, and count as received.
            self._rest_for(LOOK / 2)
            return False
        places = self._reserve(patience)
        if not places:
            return False
        answer, asked, new = None, 0, 0
        try:
            asked = places if self.limit is None else self.limit.reserve(places)
            if asked and not self._stopping:
                answer, new = self._receive(asked, wait_time)
        finally:
            self._demand.answered(places, answer)
            if self.limit is not None:
                # After the announcement: a limit that is reached with nothing waiting
                # and nothing running means that all is done.
                self.limit.settle(asked, new)
        if not asked:
            # Another receiver holds the last reservations and may return them.
            self._rest_for(LOOK)
        return answer is not None and answer.messages == MAX_MESSAGES

    def _reserve(self, patience: float) -> int:
        deadline = time.monotonic() + patience
        with self._room:
            self._waiters += 1
            try:
                while not self._stopping:
                    self._woken = False
                    places = self._demand.reserve()
                    if places:
                        return places
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    self._room.wait(left)
                return 0
            finally:
                self._waiters -= 1
                # There may be places for another.
                self.look()

    def _receive(self, count: int, wait_time: int) -> tuple[Answer | None, int]:
        """One poll: what it brought, and how many messages of it are new to this channel."""
        try:
            received, asked_at = self._ask(count, wait_time)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the poller goes on
            if not self._stopping:
                self._recover(exc)
            return None, 0
        self._outage.over()
        now = time.monotonic()
        self._rest.polled(len(received), wait_time, now - asked_at)
        self._grow(len(received), wait_time)
        size = sum(map(self._shared.intake.size, received))
        seconds = self._terms.seconds if self._terms else 0
        held = self._shared.intake.hold(
            self.queue, received, seconds, late=now - asked_at > wait_time + LATE, receiver=self
        )
        self._shared.intake.read_all(held, self._announce)
        self._tell(len(held))
        return Answer(len(received), size, now - asked_at), len(held)

    def _ask(self, count: int, wait_time: int) -> tuple[list[Message], float]:
        """What a poll brought, and when it was sent, on the monotonic clock."""
        with self._room:
            if self._stopping:
                return [], time.monotonic()
            self._polling.add(threading.current_thread())
        self._rest.polling()
        try:
            self._shared.queues.compare_once(self.queue)
            terms = self._shared.terms
            first = self._terms is None
            self._terms = terms.recent(self.queue) if first else terms.known(self.queue)
            seconds, asked_at = self._terms.seconds, time.monotonic()
            return self._shared.requests.receive(self.queue, count, wait_time, seconds), asked_at
        finally:
            with self._room:
                self._polling.discard(threading.current_thread())
            allow_requests()

    def _grow(self, received: int, wait_time: int) -> None:
        # A long poll answers as soon as a message is there, so waiting longer on a queue
        # that stays empty costs no latency and fewer requests.
        if received:
            self._wait_time = self._usual_wait
        elif wait_time:
            self._wait_time = min(self._longest_wait, max(1, wait_time * 2))

    def _announce(self, held: Held) -> None:
        if self._stopping:
            self.give_back([held])
            return
        self._shared.table.announce(held)
        self._shared.inbox.announce(self)

    def _tell(self, received: int) -> None:
        if self.consumption.on_poll is None:
            return
        try:
            self.consumption.on_poll(received)
        except Exception:
            logger.exception("What observes the polls of queue %s failed", self.queue)

    def _recover(self, exc: Exception) -> None:
        pause = self._outage.failed(exc)
        deadline = time.monotonic() + pause
        if pause > FIRST_PAUSE:
            # Not over a single request that was lost.
            self._shared.inbox.failed(exc)
        while not self._stopping and (left := deadline - time.monotonic()) > 0:
            self._rest_for(left)
