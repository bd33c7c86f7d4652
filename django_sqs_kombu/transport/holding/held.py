"""Held messages: one object with one state for each, in the one table of their channel.

::

    waiting -> delivered -> settling -> gone
       \\________________________________/   (given back, expired)

A message is held from the moment it is received until SQS has confirmed its deletion or its
new visibility.  Everything that must be known of it while it is held is on its :class:`Held`,
and every change of its state is one method of :class:`HeldMessages`.  Nothing here has a thread.
"""

from __future__ import annotations

import enum
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ...exceptions import SQSError
from ...names import FIFO
from ...quotas import MAX_MESSAGES, MAX_VISIBILITY_TIMEOUT
from ..sqs.received import Message
from .lanes import Lanes
from .note import Note

#: The seconds before a lease ends in which it can still be renewed: a third of the timeout,
#: or more where that leaves less than a request that hangs and another one need.
MARGIN_SHARE, SHORTEST_MARGIN, LARGEST_MARGIN_SHARE = 1 / 3, 20.0, 1 / 2


class State(enum.Enum):
    """Where in its life a held message is."""

    #: Received; no consumer has it yet.
    WAITING = enum.auto()
    #: With a consumer.
    DELIVERED = enum.auto()
    #: What becomes of it is decided, and SQS has not confirmed it yet.
    SETTLING = enum.auto()
    #: Deleted, visible to others again, or expired: not ours any more.
    GONE = enum.auto()


#: Messages of a queue that may wait, be with consumers or be settled and not confirmed: so many
#: at first, and at the most when SQS confirms what becomes of them.
LEAST_OPEN, MOST_OPEN = 4 * MAX_MESSAGES, 128 * MAX_MESSAGES

_WAITING, _DELIVERED, _SETTLING, _GONE = State


@dataclass(slots=True, eq=False)
class OfQueue:
    """What a channel holds of one queue.

    :ivar waiting: how many messages no consumer has taken yet.
    :ivar delivered: how many are with a consumer.
    :ivar settling: how many SQS has not confirmed yet.
    :ivar line: those that may be taken, the oldest first.
    :ivar lanes: of a FIFO queue.
    :ivar most_open: how many there may be, in whatever state, for more to be asked for.
    """

    waiting: int = 0
    delivered: int = 0
    settling: int = 0
    most_open: int = LEAST_OPEN
    line: deque[Held] = field(default_factory=deque)
    lanes: Lanes[Held] = field(default_factory=Lanes)

    def enter(self, state: State, change: int) -> None:
        """One comes to a state (1), or leaves it (-1)."""
        if state is _WAITING:
            self.waiting += change
        elif state is _DELIVERED:
            self.delivered += change
        elif state is _SETTLING:
            self.settling += change


@dataclass(slots=True, eq=False)
class Held:
    """A received message, from its receive until SQS has confirmed what became of it.

    :param queue: the queue's name.
    :param message: as ReceiveMessage returned it; its latest receipt counts.
    :param seconds: the visibility timeout it was received with.
    :param received_at: when, on the monotonic clock.
    :ivar receiver: what received it, and gives it back should it wait in vain.
    :ivar tag: Kombu's delivery tag, the receipt handle it came with.
    :ivar body: the body, read from S3 where it is kept there.
    :ivar error: why the body could not be read.
    :ivar renewed: whether its lease is ours to renew; not after a consumer has set its
        visibility, or SQS has said that it is lost.
    :ivar renewals: how many requests that renew it are under way.
    :ivar hiding: whether a request that sets its visibility is under way.
    :ivar deleted: whether what becomes of it is its deletion.
    :ivar group: of a FIFO queue's message, its message group, once it is in its lane.
    :ivar note: what is to be written down before SQS is told what becomes of it.
    """

    queue: str
    message: Message
    seconds: float
    received_at: float
    state: State = State.GONE
    body: str = ""
    error: SQSError | None = None
    renew_at: float = 0.0
    expires_at: float = 0.0
    renewed: bool = True
    renewals: int = 0
    hiding: bool = False
    deleted: bool = False
    receiver: object = None
    note: Note | None = None
    tag: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        self.tag = str(self.message["ReceiptHandle"])
        self.body = self.body or str(self.message.get("Body", ""))
        self.lease(self.received_at, self.seconds)

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return str(self.message.get("MessageId"))

    def lease(self, now: float, seconds: float) -> None:
        """Count a visibility timeout of *seconds* from *now*."""
        margin = max(seconds * MARGIN_SHARE, SHORTEST_MARGIN)
        self.renew_at = now + seconds - min(margin, seconds * LARGEST_MARGIN_SHARE)
        self.expires_at = now + seconds

    def left(self, now: float) -> int:
        """Whole seconds that it may still be hidden for: SQS counts 12 hours from the receive."""
        # One for the way to SQS, whose clock started before ours.
        return max(0, int(self.received_at + MAX_VISIBILITY_TIMEOUT - now) - 1)

    def expired(self, now: float) -> bool:
        """Whether its visibility timeout has run out, so that others may have it."""
        return bool(self.seconds) and now >= self.expires_at


class HeldMessages:
    """The table of what one channel holds; safe to use from any thread.

    :ivar lock: guards the table, and what is decided by looking at it.
    :ivar on_room: called with a queue's name when there may be room for another message of it.
    :ivar on_ready: called with a queue's name when a message that was behind another may be taken.
    :ivar on_broken: called with messages that are to be given back, since one that must run
        before them is left to others.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.on_room: Callable[[str], None] = _nothing
        self.on_ready: Callable[[str], None] = _nothing
        self.on_broken: Callable[[list[Held]], None] = _nothing
        self._by_tag: dict[str, Held] = {}
        self._by_id: dict[tuple[str, str], Held] = {}
        self._queues: defaultdict[str, OfQueue] = defaultdict(OfQueue)
        #: Of all queues.
        self._all = OfQueue()
        #: How many messages of all queues are behind another one.
        self._behind = 0

    # The life of a message.

    def receive(self, held: Held, state: State = State.WAITING) -> bool:
        """Hold a message that came; return whether it is a new one.

        One that is held already came again since its lease could not be renewed.  It is not
        for a consumer a second time: from now on the latest receipt settles it.
        """
        with self.lock:
            earlier = self._by_id.get((held.queue, held.message_id))
            # One that came while its visibility is being set was visible: that is done.
            if earlier is not None and not earlier.hiding:
                earlier.message = held.message
                earlier.received_at = held.received_at
                earlier.renewed = True
                earlier.lease(held.received_at, held.seconds)
                return False
            if earlier is not None:
                # Tried again, that request could hide or show the one that came.
                self.end(earlier)
            self._by_tag[held.tag] = held
            self._by_id[held.queue, held.message_id] = held
            self._enter(held, state)
            return True

    def announce(self, held: Held) -> bool:
        """The message has come, its body read; return whether it may be taken.

        Its turn comes after those that wait already; and, where it is of a message group, when
        those before it are deleted.
        """
        with self.lock:
            if held.state is not _WAITING:
                return False
            of = self._queues[held.queue]
            if held.queue.endswith(FIFO):
                group = (held.message.get("Attributes") or {}).get("MessageGroupId")
                # Without one its order is nobody's; with one, it is its lane's.
                held.group = str(group or "")
                if held.group and not of.lanes.join(held):
                    self._behind += 1
                    return False
            of.line.append(held)
            return True

    def take(self, queue: str) -> Held | None:
        """The oldest message that waits, which then is the consumer's."""
        with self.lock:
            line = self._queues[queue].line
            while line:
                held = line.popleft()
                if held.state is _WAITING:
                    self._enter(held, _DELIVERED)
                    self.on_room(queue)
                    return held
        return None

    def settle(self, held: Held, *, delete: bool) -> bool:
        """What becomes of it is decided; return whether it was not decided before."""
        with self.lock:
            if held.state is not _WAITING and held.state is not _DELIVERED:
                return False
            held.deleted = delete
            self._enter(held, _SETTLING)
            if held.group and not delete:
                self._break_lane(held)
            self.on_room(held.queue)
            return True

    def unsettle(self, held: Held) -> None:
        """What was decided could not be done, and is the consumer's to decide again."""
        with self.lock:
            if held.state is _SETTLING:
                held.deleted = False
                self._enter(held, _DELIVERED)

    def end(self, held: Held, *, deleted: bool = False) -> None:
        """It is not ours any more.

        :param deleted: whether SQS has said that it is deleted.
        """
        with self.lock:
            if held.state is _GONE:
                return
            self._enter(held, _GONE)
            if self._by_tag.get(held.tag) is held:
                del self._by_tag[held.tag]
            if self._by_id.get((held.queue, held.message_id)) is held:
                del self._by_id[held.queue, held.message_id]
            if held.group:
                self._go_on(held) if deleted else self._break_lane(held)
            self.on_room(held.queue)

    def confirmed(self, queue: str, count: int) -> None:
        """SQS has confirmed what becomes of so many messages: as many more may be open."""
        of = self._queues[queue]
        of.most_open = min(MOST_OPEN, of.most_open + count)

    def not_confirmed(self, queue: str) -> None:
        """SQS has not: few may be open until it does."""
        self._queues[queue].most_open = LEAST_OPEN

    # Views.

    def get(self, tag: str) -> Held | None:
        """The held message of a delivery tag."""
        return self._by_tag.get(tag)

    def all(self, state: State | None = None) -> list[Held]:
        """What is held, or what of it is in one state."""
        with self.lock:
            return [h for h in self._by_tag.values() if state is None or h.state is state]

    def waiting(self, queue: str) -> int:
        """How many messages of *queue* no consumer has taken yet."""
        return self._queues[queue].waiting

    def settling(self, queue: str) -> int:
        """How many messages of *queue* SQS has not confirmed yet."""
        return self._queues[queue].settling

    def room_to_settle(self, queue: str) -> int:
        """How many more messages of *queue* may come, to be settled in their turn."""
        of = self._queues[queue]
        return of.most_open - of.waiting - of.settling

    def delivered(self, queue: str) -> int:
        """How many messages of *queue* are with a consumer."""
        return self._queues[queue].delivered

    def startable(self, queue: str) -> int:
        """How many messages of *queue* that wait may be taken now."""
        of = self._queues[queue]
        return of.waiting - of.lanes.behind

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
        self._all = OfQueue()
        self._behind = 0

    def _go_on(self, held: Held) -> None:
        of = self._queues[held.queue]
        behind = of.lanes.behind
        following = of.lanes.leave(held)
        self._behind += of.lanes.behind - behind
        if following is not None and following.state is _WAITING:
            of.line.append(following)
            self.on_ready(held.queue)

    def _break_lane(self, held: Held) -> None:
        lanes = self._queues[held.queue].lanes
        behind = lanes.behind
        broken = lanes.break_off(held)
        self._behind += lanes.behind - behind
        if waiting := [each for each in broken if each.state is _WAITING]:
            self.on_broken(waiting)

    def _enter(self, held: Held, state: State) -> None:
        of, before = self._queues[held.queue], held.state
        of.enter(before, -1)
        of.enter(state, 1)
        self._all.enter(before, -1)
        self._all.enter(state, 1)
        held.state = state


def _nothing(what: object) -> None:
    pass
