"""Poller: receives from one queue whenever somebody takes its messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from ...logs import get_logger
from ...quotas import MAX_MESSAGES, MAX_WAIT_TIME
from ..holding.held import Held, State
from ..sqs.abort import RequestAborted
from ..sqs.pauses import Pause
from ..sqs.received import Message
from ..sqs.threads import aside
from ..sqs.wire.reactor import Timer, reactor
from .at_once import AtOnce
from .consumption import Consumption, Receiving
from .demand import Answer, Demand
from .ending import Ending
from .pause_watch import PauseWatch
from .polls import POLL_MARGIN, Poll, is_late, tell
from .preparation import Preparation
from .returns import Returns
from .rhythm import Rhythm
from .wait import Wait

logger = get_logger(__name__)

#: Seconds after which places are looked for again, whatever was told.
PATIENCE = 1.0
#: Seconds between two looks of what waits for another receiver or a message limit.
LOOK = 0.2


class Poller:
    """Receives from one queue; it has no thread.

    One poll is always under way, and waits where the queue is empty.  While the polls come back
    full, others are under way beside it, so that a round trip to SQS does not bound what one
    queue can deliver.  They are begun in the thread of the reactor, and their answers taken in
    whatever thread they come in; the table's lock guards what they share.

    :param consumption: which queue, and how.
    :param receiving: what the pollers of its channel share.
    :param fifo: whether it is a FIFO queue.
    """

    def __init__(self, consumption: Consumption, receiving: Receiving, *, fifo: bool) -> None:
        self.queue, self.consumption = consumption.queue, consumption
        self.priority, self.limit = consumption.priority, consumption.limit
        self._shared = receiving
        self._fifo = fifo
        self.returns = Returns(consumption, receiving)
        usual = receiving.wait_time if consumption.wait is None else consumption.wait
        wait = Wait(usual, lasting=consumption.lasting, most=MAX_WAIT_TIME)
        self._rhythm = Rhythm(
            self.queue, wait, max_idle=receiving.max_idle, interval=receiving.interval
        )
        self._at_once = AtOnce(self._step_soon, *([1] if fifo else []))
        self._demand = Demand(
            self.queue,
            receiving.table,
            receiving.inbox.pace,
            seconds=lambda: self.returns.terms.seconds if self.returns.terms else None,
            room=receiving.room,
            fifo=fifo,
            redrives=lambda: self.returns.redrives,
            one_by_one=None if consumption.one_by_one is None else self.returns.one_by_one,
            on_credit=None if consumption.lasting else self.returns.on_credit,
            gathers=consumption.gathers,
            wake=self._step_soon,
            priority=self.priority,
        )
        self.pauses = PauseWatch(
            self.queue, receiving, self._on_pause, lambda: self._demand.worth_a_request
        )
        self._preparation = Preparation(
            self.queue, receiving, self.returns, self.pauses, lambda: self.ending.told
        )
        self._lock = receiving.table.lock
        self.ending = Ending()
        self._polls: set[Poll] = set()
        self.busy = False  # As many are under way as may be: it looks for no places.
        self._places_missing = 0  # That a poll needs at least.
        self._timer: Timer | None = None
        self._steps_soon = self._preparing = False
        self._told_of_limit = False  # The consumer was, that it is reached.

    # From any thread.

    @property
    def has_waiting(self) -> bool:
        """Whether it has messages that no consumer took yet."""
        return bool(self._shared.table.waiting(self.queue))

    @property
    def may_be_taken_from(self) -> bool:
        """Whether a consumer may take one of these now."""
        return self._shared.table.may_be_taken_from(self.queue)

    def start(self) -> None:
        """Start polling."""
        if self.consumption.free is not None:
            self._shared.inbox.pace.free = self.consumption.free
        self._shared.inbox.add(self)
        self._step_soon()

    def wake(self) -> None:
        """Poll at once, should it rest since its queue is idle; from any thread."""
        self._rhythm.wake()
        self._step_soon()

    def look(self) -> None:
        """There may be a place for another message, or somebody who takes it."""
        self._places_missing = 0
        self.room(0)

    def room(self, places: int) -> None:
        """There may be places more: look, when so many have come that a poll may be worth it."""
        self._places_missing = missing = self._places_missing - places
        if missing > 0 or self.busy:
            return
        if self._steps_soon:
            reactor.revive()
            return
        self._places_missing = self._demand.missing
        if not self._places_missing:
            self._step_soon()

    def ended(self, messages: int) -> None:
        """So many messages were settled, or have ended."""
        if self._demand.for_ends:
            self.room(messages)

    def ready(self) -> None:
        """One may be taken that was behind another of its group, or had no place."""
        self._shared.inbox.announce(self, 1)

    def take(self, now: float) -> Held | None:
        """The oldest message that waits, which then is the consumer's."""
        # With all places taken nobody polls, and looks.
        self.pauses.look_if_due(now)
        # What was announced before a stop must not take what a later consumer's has received.
        if self.ending.told:
            if self.ending.gives_back:
                return None
            # It may be the last.
            self._step_soon()
        return self._shared.table.take(self.queue)

    def give_back_taken(self, held: Held) -> None:
        """Make a message visible to others that was taken, and has no consumer any more."""
        self._shared.keeper.release([held])

    def stop(self, *, break_off: bool = False, hands_out: bool = False) -> None:
        """Poll no more; what waits is given back when no poll is under way any more.

        :param break_off: break off polls that are under way.  SQS may not notice at once, and
            hide messages that nobody gets for their visibility timeout.
        :param hands_out: where receives count, what waits and what polls under way bring is
            still for the consumer, until this is called without it.
        """
        hands_out = hands_out and self.returns.redrives
        if not self.ending.tell(break_off=break_off, hands_out=hands_out):
            return  # It is told from several sides.
        for poll, begun in [(poll, poll.begun) for poll in tuple(self._polls)]:
            if begun is None and self._preparing:
                # What is asked before a first poll hides no message.
                aside(partial(self._close, poll, None, 0))
            elif break_off and begun is not None:
                begun.break_off()
        self._preparation.break_off()
        self._step_soon()

    def finish(self) -> None:
        """After a stop: wait until no poll is under way, and what waits was given back."""
        if self._polls or self.ending.under_way:
            self.ending.over.wait(self._rhythm.wait.longest + POLL_MARGIN)
        if not self.ending.over.is_set():
            self._end()

    def abandon(self) -> None:
        """The channel was dropped: end soon, and give back what waits.  It takes no lock."""
        self.ending.tell(break_off=False, hands_out=False)

    @property
    def polls(self) -> bool:
        """Whether a poll is under way."""
        return bool(self._polls)

    def _end(self) -> None:
        self.give_back_waiting()
        self._shared.inbox.remove(self)
        self._at_once.leave()
        self.ending.over.set()
        if self.ending.hands_out:
            # Whoever waits for the last of it need not.
            self._shared.inbox.wake()

    def give_back_waiting(self) -> None:
        """Make visible to others what waits for its consumer; from any thread."""
        # Another poller of the queue, that of a consumer that came later, keeps its own.
        waiting = self._shared.table.all(State.WAITING) if self.has_waiting else []
        self.returns.give_back([held for held in waiting if held.receiver is self])

    def _on_pause(self, pause: Pause | None) -> None:
        """The queue is paused, or resumed."""
        if pause is not None and not self.returns.kept(pause):
            self.give_back_waiting()
        if self.consumption.on_pause is not None:
            tell(self.consumption.on_pause, self.queue, pause)
        self._step_soon()

    # What is due.

    def _step_soon(self) -> None:
        self._steps_soon = True
        reactor.soon(self._step)

    def _step_at(self, when: float) -> None:
        timer = self._timer
        if timer is not None and timer.when <= when:
            return
        self._timer = reactor.at(when, self._step)
        if timer is not None:
            timer.cancel()

    def _step(self) -> None:
        """Begin the polls that are due; in the thread of the reactor."""
        self._steps_soon = False
        begun = []
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            try:
                now, another = time.monotonic(), True
                while another and (poll := self._next_poll(now)) is not None:
                    self._polls.add(poll)
                    begun.append(poll)
                    another = self._demand.another
            except Exception as exc:  # noqa: BLE001 - whatever it is, the queue is polled again
                aside(partial(self._recover, exc))
            self.busy = len(self._polls) >= self._at_once.allowed
            self._at_once.looked()
            goes_on = self._polls or (self.ending.hands_out and self.has_waiting)
            ends = self.ending.told and not (goes_on or self.ending.over.is_set())
        for poll in begun:
            self._surely(self._begin, poll)
        if ends:
            self._end()

    def _next_poll(self, now: float) -> Poll | None:
        if self.ending.told or self._preparing or len(self._polls) >= self._at_once.allowed:
            return None
        alone = not self._polls
        until = self._rhythm.pauses_until(now, alone=alone) or self.pauses.until(now)
        if until is not None:
            self._step_at(until)
            return None
        if self.limit is not None and self.limit.reached:
            # Not the end: a message that is given back unstarted lowers the count. And whoever is
            # woken looks here: told each time, it would keep a core busy until its receivers end.
            if not self._told_of_limit:
                self._told_of_limit = True
                self._shared.inbox.wake()
            self._step_at(now + LOOK)
            return None
        self._told_of_limit = False
        if self._shared.inbox.more_urgent_waits(self):
            # What is received now would only wait, and count as received.
            self._step_at(now + LOOK / 2)
            return None
        if not self._at_once.begin(alone=alone):
            self._step_at(now + PATIENCE)
            return None
        return self._reserve(alone, now)

    def _reserve(self, alone: bool, now: float) -> Poll | None:
        places = asked = 0
        try:
            if places := self._demand.reserve():
                wanted = self._demand.messages(places)
                asked = wanted if self.limit is None else self.limit.reserve(wanted)
        finally:
            if not asked:
                self._demand.answered(places, None)
                self._at_once.end(alone=alone)
        if not asked:
            if places:
                # What a limit holds back, for hours maybe, is paused and resumed as well.
                self.pauses.look_if_due(now)
            if places or alone:  # Another receiver may return the last reservations.
                self._step_at(now + (LOOK if places else PATIENCE))
            return None
        wait = self._rhythm.wait.seconds(self._shared.inbox.pace.away(now)) if alone else 0
        return Poll(places, asked, wait, alone)

    def _begin(self, poll: Poll) -> None:
        if poll.alone:
            self._rhythm.polling()
        if self._preparation.at_hand():
            self._send(poll)
        else:
            # What must be known of the queue before it is polled is asked.
            self._preparing = True
            self._preparation.begin(partial(self._prepared, poll))

    def _prepared(self, poll: Poll, error: Exception | None) -> None:
        self._preparing = False
        self._surely(self._send, poll) if error is None else self._answered(poll, error)

    def _send(self, poll: Poll) -> None:
        if self.ending.told or self.returns.terms is None:
            self._answered(poll, RequestAborted())
            return
        if self.pauses.paused:
            self._close(poll, None, 0)
            return
        now = time.monotonic()
        self.pauses.look_if_due(now)
        poll.seconds, poll.asked_at = self.returns.terms.seconds, now
        poll.begun = begun = self._shared.requests.begin_receive(
            self.queue, poll.asked, poll.wait, poll.seconds, partial(self._answered, poll)
        )
        if self.ending.breaks_off:
            begun.break_off()  # It may have been too early for that.

    def _surely(self, begin: Callable[[Poll], None], poll: Poll) -> None:
        """Begin a poll, and have it end whatever is raised: else none would follow it."""
        try:
            begin(poll)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the queue is polled again
            aside(partial(self._answered, poll, exc))

    # What it brought; in any thread.

    def _answered(self, poll: Poll, result: list[Message] | Exception) -> None:
        if isinstance(result, Exception):
            try:
                if not self.ending.told:
                    self._recover(result)
            finally:
                self._close(poll, None, 0)
            return
        late = is_late(poll.asked_at, poll.wait)
        if result and (late or self._shared.intake.takes_time(self.queue, result)):
            aside(partial(self._take_in, poll, result, late=late))
        else:
            self._take_in(poll, result)

    def _take_in(self, poll: Poll, received: list[Message], *, late: bool = False) -> None:
        answer, new, size = None, 0, 0
        try:
            took = time.monotonic() - poll.asked_at
            self._rhythm.answered(poll, len(received), took)
            if received:
                size, new = self._shared.intake.take_in(self, received, poll, late=late)
            answer = Answer(len(received), size, took)
            if self.consumption.on_poll is not None:
                tell(self.consumption.on_poll, self.queue, new)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the queue is polled again
            self._recover(exc)
        finally:
            self._close(poll, answer, new)

    def _close(self, poll: Poll, answer: Answer | None, new: int) -> None:
        if poll not in self._polls:
            return  # It was closed already.
        try:
            self._demand.answered(poll.places, answer)
            if self.limit is not None:
                # Once it is announced: a limit reached with nothing waiting or running is the end.
                self.limit.settle(poll.asked, new)
        finally:
            # What it has begun knows it in turn: nothing is left to the garbage collector.
            poll.begun = None
            with self._lock:
                self._polls.discard(poll)
                if answer is not None:
                    full = answer.messages >= (1 if self._fifo else MAX_MESSAGES)
                    self._at_once.answered(answer.messages, full=full)
                self.busy = len(self._polls) >= self._at_once.allowed
            self._at_once.end(alone=poll.alone)
            self._step_soon()

    def announce(self, held: Sequence[Held]) -> None:
        """These have come, and have their bodies."""
        if self.ending.gives_back or (self.pauses.paused and not self.returns.keeps):
            self.returns.give_back(held)
        elif count := self._shared.table.announce(self.queue, held):
            self._shared.inbox.announce(self, count)

    def _recover(self, exc: Exception) -> None:
        if self._rhythm.failed(exc):
            # Not over a single request that was lost.
            self._shared.inbox.failed(exc)
        self._step_soon()
