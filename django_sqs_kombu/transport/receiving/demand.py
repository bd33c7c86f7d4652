"""Demand: how many messages of a queue are worth asking SQS for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ...quotas import MAX_MESSAGES
from ..holding.table import HeldMessages
from ..sqs.facts import ASSUMED_VISIBILITY_TIMEOUT
from .pace import Pace

#: The share of the visibility timeout that a message may be expected to wait.
WAITING_SHARE = 1 / 3
#: How many round trips' worth of messages are under way, so that the consumer never waits.
LATENCY_SHARE = 1.5
#: The least that counts as latency, in seconds: requests that are made together cost less.
LEAST_LATENCY = 0.01
#: Bytes of bodies that may wait for a consumer.
MOST_BYTES = 32 * 1024 * 1024
#: How much the latest answer counts in the average of their sizes.
LATEST = 0.3
#: The latency is the lower quartile of that of so many full answers, the latest ones: some of
#: them waited for this process's own threads.
SAMPLES = 12


# Not frozen, which would take thrice as long to make: there is one for each poll.
@dataclass(slots=True)
class Answer:
    """What a poll brought.

    :param messages: how many.
    :param size: bytes of their bodies.
    :param seconds: how long the poll took.
    """

    messages: int
    size: int
    seconds: float


class Demand:
    """Decides for how many messages of one queue the next poll asks; it has no thread.

    Nothing is received before there is somebody to run it: each receive counts, and may bring
    a message nearer to the dead letters.  While the consumer's pace is unknown that is as many
    as there are receivers free.  Then it is what the consumer takes during a request's round
    trip, as far as that is soon.

    :param queue: the queue's name.
    :param table: what is held.
    :param pace: of the consumer.
    :param seconds: returns the queue's visibility timeout, where it is known.
    :param room: returns how many more messages the prefetch count admits, None: any number; it is
        told how many the consumer takes until they come.
    :param fifo: whether it is a FIFO queue: then a poll counts for one message, since those behind
        it in its group cannot be started with it, unless several are gathered for one receiver.
    :param redrives: returns whether the queue has a redrive policy, or receives count otherwise.
    :param one_by_one: returns whether no more than one message may be held; None: never.
    :param on_credit: returns whether the consumer may leave at any time, and what waits for it
        then would come nearer to the dead letters; None: never.
    :param gathers: returns how many more messages a consumer wants that gathers several for one
        receiver; None: as many as it takes at its pace.
    :param wake: has :meth:`reserve` called soon.
    :param priority: the queue's: those of a lower one never ask before it.
    :ivar another: after :meth:`reserve`, whether another poll is worth it, too.
    :ivar for_ends: whether there may be more places once messages are settled or have ended, and
        not only once some that wait are taken.
    :ivar called: whether it goes before those that wait for room.
    """

    def __init__(
        self,
        queue: str,
        table: HeldMessages,
        pace: Pace,
        *,
        seconds: Callable[[], float | None],
        room: Callable[[str, int], int | None],
        fifo: bool = False,
        redrives: Callable[[], bool] = lambda: True,
        one_by_one: Callable[[], bool] | None = None,
        on_credit: Callable[[], bool] | None = None,
        gathers: Callable[[], int] | None = None,
        wake: Callable[[], None] = lambda: None,
        priority: int = 0,
    ) -> None:
        self._queue = queue
        self._table = table
        self._pace = pace
        self._seconds = seconds
        self._room = room
        self._fifo = fifo
        self._redrives = redrives
        self._one_by_one = one_by_one
        self._on_credit = on_credit
        self._gathers = gathers
        #: Messages that polls under way have asked for.
        self.asked = 0
        #: Of these, those that are likely to come: the latest poll has brought some.
        self._expected, self._brings = 0, False
        self.another = self.called = False
        self.for_ends, self._is_scarce = True, False
        self.wake, self.priority = wake, priority
        self._latencies: deque[float] = deque(maxlen=SAMPLES)
        self._latency = 0.0
        self._size = 0.0
        # Before its first poll it is not known yet, and only that poll makes it known.
        self._timeout: float = ASSUMED_VISIBILITY_TIMEOUT
        pace.shortest.note(self, self._timeout)

    @property
    def worth_a_request(self) -> bool:
        """Whether a poll is worth it now."""
        return not self.missing

    @property
    def missing(self) -> int:
        """How many places more a poll needs to be worth it, at least."""
        with self._table.lock:
            places, coming = self._places()
            return max(0, self._least(places, coming) - max(0, places))

    def reserve(self) -> int:
        """How many to ask for now, which then count as asked for; 0: a poll is not worth it."""
        with self._table.lock:
            places, coming = self._places()
            if places < self._least(places, coming):
                self.another = False
                if self._is_scarce and not coming:
                    self._pace.line.join(self)
                return 0
            if self._pace.line.gives_way(self):
                self.another = False
                return 0
            count = min(places, self._at_once)
            self.asked += count
            if self._brings:
                self._expected += count
                self._table.expected += count
            places, coming = places - count, coming + count
            self.another = places >= self._least(places, coming)
            return count

    def messages(self, places: int) -> int:
        """How many messages a poll for so many places asks for.

        Of a FIFO queue, as many of a group as are started soon, one after the other, or go into
        one batch.  But where a redrive policy or tries count receives, only one: those behind
        one that is restarted are given back with it, and would count as often.
        """
        if not self._fifo:
            return places
        if self._redrives():
            return 1
        if self._gathers is not None:
            return places
        each = self._pace.seconds_each()
        if each is None:
            return 1
        soon = (self._seconds() or 0) * WAITING_SHARE / (each * self._pace.receivers)
        return max(1, min(MAX_MESSAGES, int(soon)))

    def answered(self, asked: int, answer: Answer | None) -> None:
        """A poll that asked for so many messages has ended; None: without an answer."""
        with self._table.lock:
            self.asked -= asked
            came = min(asked, self._expected)
            self._expected -= came
            self._table.expected -= came
            if answer is None:
                return
            self._brings = answer.messages > 0
            if not self._brings:
                return
            self._size += LATEST * (answer.size / answer.messages - self._size)
            if answer.messages >= asked:
                # Only those: the others waited for messages.
                self._latencies.append(answer.seconds)
                self._latency = sorted(self._latencies)[len(self._latencies) // 4]

    def _least(self, places: int, coming: int) -> int:
        """The fewest that are worth a request: a full one, where so many are wanted at all."""
        if not coming:
            return 1
        at_once, wanted = self._at_once, places + coming
        return at_once if wanted > MAX_MESSAGES else max(1, min(at_once, (wanted + 1) // 2))

    def _places(self) -> tuple[int, int]:
        """How many places there are, and how many messages are here or asked for already."""
        table, queue, asked = self._table, self._queue, self.asked
        startable, all_startable, open_places = table.figures(queue)
        coming, open_places = startable + asked, open_places - asked
        consumer = self._pace.look()
        self.for_ends, self._is_scarce = True, False
        if consumer is None or open_places <= 0:
            return 0, coming
        if self._one_by_one is not None and self._one_by_one():
            return (0 if len(table) or asked else 1), coming
        if self._gathers is not None:
            behind = table.waiting(queue) + asked
            return self._gathered(min(self._gathers() - behind, open_places), coming), coming
        free, each = consumer
        # All that waits is for the same consumer; what is asked for may not be there.
        places, under_way = free - all_startable - asked, 0
        if each is not None:
            ahead = self._ahead(free, each, coming, all_startable - startable)
            places = ahead if ahead > places else places
            under_way = int(self._latency / each * LATENCY_SHARE)
        self._is_scarce = places < 1
        # Where others wait, or none of its own, none of its own may be taken before.
        alone = 0 < startable == all_startable
        self.for_ends = self._fifo or each is None or places >= open_places or not alone
        places = open_places if places > open_places else places
        room = self._room(queue, under_way)
        return (places if room is None else min(places, room - coming)), coming

    def _ahead(self, free: int, each: float, coming: int, others: int) -> int:
        """How many more the consumer takes, at its pace, while they come.

        :param free: how many receivers are free.
        :param each: seconds that it takes for a message.
        :param others: how many of other queues wait for it.
        """
        soon = self._soon(each)
        latency = self._latency if self._latency > LEAST_LATENCY else LEAST_LATENCY
        want = int(latency / each * LATENCY_SHARE) + MAX_MESSAGES
        # The consumer's pace is that of all queues; each may have what one poll brings.
        want = max(want - others, MAX_MESSAGES)
        if self._size:
            want = min(want, int(MOST_BYTES / self._size))
        ahead = min(soon - self.asked, want - coming)
        if self._on_credit is not None and self._on_credit():
            ahead = min(ahead, free + self._pace.credit - coming)
        return ahead

    def _soon(self, each: float) -> int:
        """How many more may wait, to be started within their share of the visibility timeout."""
        seconds = self._seconds()
        if seconds and seconds != self._timeout:
            self._timeout = seconds
            self._pace.shortest.note(self, seconds)
        most = min(self._timeout, self._pace.shortest.seconds) * WAITING_SHARE / each
        table = self._table
        # What others have asked for comes as well, where what they asked for before has come.
        return int(most) - table.all_waiting - (table.expected - self._expected)

    def _gathered(self, places: int, coming: int) -> int:
        # What is gathered is with the consumer; what waits for it meanwhile is bounded as ever.
        if self._size:
            places = min(places, int(MOST_BYTES / self._size) - coming)
        room = self._room(self._queue, 0)
        return places if room is None else min(places, room - coming)

    @property
    def _at_once(self) -> int:
        """For how many places a poll counts, at most."""
        if not self._fifo:
            return MAX_MESSAGES
        # Those of a group go into one batch with the first of it, where they may come with it.
        return MAX_MESSAGES if self._gathers is not None and not self._redrives() else 1
