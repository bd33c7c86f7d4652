"""HeldMessages: the one table of what a channel holds.

A message is held from the moment it is received until SQS has confirmed its deletion or its
new visibility.  Nothing here has a thread.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from ...names import FIFO
from ...quotas import MAX_MESSAGES
from ..sqs.received import group_of
from .held import Held, State
from .of_queue import LEAST_OPEN, MOST_OPEN, OfQueue, Totals, Watcher
from .told import Asking

_WAITING, _DELIVERED, _SETTLING, _GONE = State


class HeldMessages:
    """The table of what one channel holds; safe to use from any thread.

    :ivar lock: guards the table, and what is decided by looking at it.
    :ivar shares_places: whether a place that is free is any queue's, as on an event loop.
    :ivar settling_makes_room: whether it is bounded how many messages are with consumers.
    :ivar places: how many more messages of a queue may be with its consumer; None: any number.
    :ivar expected: how many messages are asked for, and likely to come.
    :ivar on_broken: called with messages that are to be given back, since one that must run
        before them is left to others.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.shares_places = self.settling_makes_room = False
        self.places: Callable[[str], int | None] = _any
        self.expected = 0
        self.on_broken: Callable[[list[Held]], None] = _nothing
        self._by_tag: dict[str, Held] = {}
        #: The held message of a delivery tag, if it is held.
        self.get: Callable[[str], Held | None] = self._by_tag.get
        self._by_id: dict[tuple[str, str], Held] = {}
        self._queues: defaultdict[str, OfQueue] = defaultdict(OfQueue)
        #: Those of all queues.
        self._all = Totals()
        #: How many messages of all queues are behind another one.
        self._behind = 0

    def watch(self, queue: str, watcher: Watcher | None) -> None:
        """Have *watcher* told of the messages of *queue*; None: nothing is from now on."""
        with self.lock:
            self._queues[queue].watcher = watcher

    # The life of a message.

    def receive_all(
        self, queue: str, came: Iterable[Held], state: State = State.WAITING
    ) -> list[Held]:
        """Hold messages of one queue that came; return the new ones.

        One that is held already came again since its lease could not be renewed.  It is not
        for a consumer a second time: from now on the latest receipt settles it.
        """
        with self.lock:
            by_tag, by_id, new = self._by_tag, self._by_id, []
            for held in came:
                key = queue, held.message_id
                if key in by_id and not self._takes_the_place(held, by_id[key]):
                    continue
                by_tag[held.tag] = by_id[key] = held
                held.state = state
                new.append(held)
            for totals in self._queues[queue], self._all:
                totals.received += len(new)
                totals.taken += len(new) if state is _DELIVERED else 0
            return new

    def receive(self, held: Held, state: State = State.WAITING) -> bool:
        """Hold a message that came; return whether it is a new one.  See :meth:`receive_all`."""
        return bool(self.receive_all(held.queue, (held,), state))

    def _takes_the_place(self, held: Held, earlier: Held) -> bool:
        """One came that is held already; return whether it counts as a new one all the same."""
        if earlier.hiding or (earlier.let_go and earlier.state is _DELIVERED):
            # It was visible, so that is done. Tried again, it could hide or show this one.
            self.end(earlier)
            return True
        earlier.message = held.message
        earlier.received_at = held.received_at
        earlier.renewed = True
        earlier.told = None  # Others may have had it meanwhile.
        earlier.lease(held.received_at, held.seconds)
        if earlier.state is _SETTLING and earlier.group and not earlier.deleted:
            # It left its lane when that was decided; what came with it must be left to others, too.
            self._queues[held.queue].lanes.join_again(earlier)
        return False

    def announce(self, queue: str, came: Iterable[Held]) -> int:
        """Messages of one queue have come, their bodies read; return how many may be taken.

        Their turn comes after those that wait already; and, where they are of a message group,
        when those before them are deleted.
        """
        with self.lock:
            of = self._queues[queue]
            ready = [held for held in came if held.state is _WAITING]
            if queue.endswith(FIFO):
                ready = [held for held in ready if self._joins(of, held)]
            of.line.extend(ready)
        return len(ready)

    def _joins(self, of: OfQueue, held: Held) -> bool:
        """Have a message in its lane; return whether it may be taken."""
        # Without one its order is nobody's; with one, it is its lane's.
        held.group = group_of(held.message)
        if not held.group or of.lanes.join(held):
            return True
        self._behind += 1
        return False

    def take(self, queue: str) -> Held | None:
        """The oldest message that waits, which then is the consumer's."""
        with self.lock:
            of = self._queues[queue]
            if self.settling_makes_room and self._is_full(queue, of):
                return None
            line = of.line
            while line:
                held = line.popleft()
                if held.state is _WAITING:
                    held.state = _DELIVERED
                    of.taken += 1
                    self._all.taken += 1
                    if self.shares_places:
                        self._room(of, 1)
                    elif (watcher := of.watcher) is not None:
                        # As below, without a further call for each message.
                        watcher.room(1)
                    return held
        return None

    def _is_full(self, queue: str, of: OfQueue) -> bool:
        """Whether none may be taken now, as after the prefetch count was lowered."""
        # On an event loop it is asked before.
        if self.shares_places or (places := self.places(queue)) is None or places > 0:
            return False
        of.held_up = min(of.held_up + 1, of.waiting - of.lanes.behind)
        return True

    def look_again(self) -> None:
        """The prefetch count is another: what was held up may be taken, as far as it says."""
        with self.lock:
            for queue, of in self._queues.items():
                if of.held_up:
                    places = self.places(queue)
                    self._let_go(of, of.held_up if places is None else places)

    def _let_go(self, of: OfQueue, places: int) -> None:
        while of.held_up > 0 and places > 0:
            of.held_up -= 1
            places -= 1
            if of.watcher is not None:
                of.watcher.ready()

    def take_behind(self, held: Held, most: int) -> list[Held]:
        """Of those behind a message of its group so many, which are the consumer's with it."""
        with self.lock:
            of = self._queues[held.queue]
            taken = of.lanes.take_behind(held, most)
            self._behind -= len(taken)
            for each in taken:
                self._pass_on(each, _DELIVERED)
            self._room(of, len(taken))
        return taken

    def settle(self, held: Held, *, delete: bool) -> bool:
        """What becomes of it is decided; return whether it was not decided before.

        Under the lock, which is not taken again for each message.
        """
        state = held.state
        if state is not _DELIVERED and state is not _WAITING:
            return False
        held.deleted = delete
        makes_room = self.settling_makes_room
        if state is _WAITING:
            self._pass_on(held, _DELIVERED)
            makes_room = True
        held.state = _SETTLING
        of = self._queues[held.queue]
        of.settled += 1
        self._all.settled += 1
        if held.group and not delete:
            self._break_lane(held)
        if makes_room:
            self._room(of, 1)
        elif (watcher := of.watcher) is not None:
            watcher.ended(1)
        return True

    def unsettle(self, held: Held) -> None:
        """What was decided could not be done, and is the consumer's to decide again."""
        with self.lock:
            if held.state is _SETTLING:
                held.deleted = False
                held.state = _DELIVERED
                self._queues[held.queue].settled -= 1
                self._all.settled -= 1

    def end(self, held: Held, *, deleted: bool = False) -> None:
        """It is not ours any more.

        :param deleted: whether SQS has said that it is deleted.
        """
        self.end_all(held.queue, (held,), deleted=deleted)

    def end_all(self, queue: str, ended: Collection[Held], *, deleted: bool = False) -> None:
        """Messages of one queue are not ours any more; see :meth:`end`."""
        with self.lock:
            by_tag, by_id, unsettled = self._by_tag, self._by_id, 0
            of, everywhere = self._queues[queue], self._all
            for held in ended:
                state = held.state
                if state is _SETTLING:
                    # With its state: a receiver's timeout may strike in what is called below.
                    held.state = _GONE
                    of.ended += 1
                    everywhere.ended += 1
                elif state is _GONE:
                    continue
                else:
                    unsettled += 1
                    self._pass_on(held, _GONE)
                if by_tag.get(held.tag) is held:
                    del by_tag[held.tag]
                key = queue, held.message_id
                if by_id.get(key) is held:
                    del by_id[key]
                if held.group:
                    self._go_on(held) if deleted else self._break_lane(held)
            if unsettled:
                self._room(of, unsettled)
            if (watcher := of.watcher) is not None:
                watcher.ended(len(ended))

    def confirmed(self, queue: str, count: int) -> None:
        """SQS has confirmed what becomes of so many messages: as many more may be open."""
        of = self._queues[queue]
        of.most_open = min(MOST_OPEN, of.most_open + count)

    def not_confirmed(self, queue: str) -> None:
        """SQS has not: few may be open until it does."""
        self._queues[queue].most_open = LEAST_OPEN

    # Views.

    def all(self, state: State | None = None) -> list[Held]:
        """What is held, or what of it is in one state."""
        with self.lock:
            return [h for h in self._by_tag.values() if state is None or h.state is state]

    def line(self, queue: str) -> Iterable[Held]:
        """Those of *queue* that may be taken, in their order; to be read under the lock."""
        return self._queues[queue].line

    def asking(self, queue: str) -> Asking:
        """What is asked of messages of *queue*."""
        return self._queues[queue].asking

    def waiting(self, queue: str) -> int:
        """How many messages of *queue* no consumer has taken yet."""
        return self._queues[queue].waiting

    def delivered(self, queue: str) -> int:
        """How many messages of *queue* are with a consumer."""
        return self._queues[queue].delivered

    def figures(self, queue: str) -> tuple[int, int, int]:
        """What demand is worked out of, at once; under the lock.

        Returned: :meth:`startable`, :attr:`all_startable`, and how many more messages of *queue*
        may come, to be settled in their turn.
        """
        of, everywhere = self._queues[queue], self._all
        waiting, settling = of.received - of.taken, of.settled - of.ended
        all_settling = everywhere.settled - everywhere.ended
        most = of.most_open if all_settling < MOST_OPEN else MAX_MESSAGES
        all_startable = everywhere.received - everywhere.taken - self._behind
        return waiting - of.lanes.behind, all_startable, most - waiting - settling

    def startable(self, queue: str) -> int:
        """How many messages of *queue* that wait may be taken now."""
        of = self._queues[queue]
        return of.waiting - of.lanes.behind

    def may_be_taken_from(self, queue: str) -> bool:
        """Whether a message of *queue* waits for nothing but a consumer."""
        if self.startable(queue) <= 0:
            return False
        places = None if self.shares_places else self.places(queue)
        return places is None or places > 0

    @property
    def all_startable(self) -> int:
        """How many messages that wait may be taken now."""
        return self._all.waiting - self._behind

    @property
    def all_waiting(self) -> int:
        """How many messages no consumer has taken yet."""
        return self._all.waiting

    @property
    def all_delivered(self) -> int:
        """How many messages are with consumers."""
        return self._all.delivered

    def __len__(self) -> int:
        return len(self._by_tag)

    def forget(self) -> None:
        """After a fork, in the child: what was held is the parent's."""
        self.lock = threading.RLock()
        for held in self._by_tag.values():
            # The child's copies: what it does to a delivery it inherited is no request.
            held.state = State.GONE
        self._by_tag.clear()
        self._by_id.clear()
        self._queues.clear()
        self._all = Totals()
        self._behind = self.expected = 0

    def _go_on(self, held: Held) -> None:
        of = self._queues[held.queue]
        behind = of.lanes.behind
        following = of.lanes.leave(held)
        self._behind += of.lanes.behind - behind
        if following is not None and following.state is _WAITING:
            of.line.append(following)
            if of.watcher is not None:
                of.watcher.ready()

    def _break_lane(self, held: Held) -> None:
        lanes = self._queues[held.queue].lanes
        behind = lanes.behind
        broken = lanes.break_off(held)
        self._behind += lanes.behind - behind
        if waiting := [each for each in broken if each.state is _WAITING]:
            self.on_broken(waiting)

    def _room(self, of: OfQueue, places: int) -> None:
        """There may be room for so many more messages of a queue."""
        if of.held_up:
            self._let_go(of, places)
        for each in list(self._queues.values()) if self.shares_places else (of,):
            if each.watcher is not None:
                each.watcher.room(places)

    def _pass_on(self, held: Held, state: State) -> None:
        before, held.state = held.state, state
        self._queues[held.queue].pass_on(before, state)
        self._all.pass_on(before, state)


def _nothing(*what: object) -> None:
    pass


def _any(queue: str) -> None:
    return None
