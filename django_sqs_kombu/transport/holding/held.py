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
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from ...exceptions import SQSError
from ...quotas import MAX_VISIBILITY_TIMEOUT
from ..sqs.received import Message
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
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.on_room: Callable[[str], None] = _nothing
        self._by_tag: dict[str, Held] = {}
        self._by_id: dict[tuple[str, str], Held] = {}
        self._waiting: defaultdict[str, deque[Held]] = defaultdict(deque)
        self._counts: Counter[tuple[str, State]] = Counter()
        self._all: Counter[State] = Counter()

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

    def announce(self, held: Held) -> None:
        """The message may be taken: its turn comes after those that wait already."""
        with self.lock:
            if held.state is State.WAITING:
                self._waiting[held.queue].append(held)

    def take(self, queue: str) -> Held | None:
        """The oldest message that waits, which then is the consumer's."""
        with self.lock:
            waiting = self._waiting[queue]
            while waiting:
                held = waiting.popleft()
                if held.state is State.WAITING:
                    self._enter(held, State.DELIVERED)
                    self.on_room(queue)
                    return held
        return None

    def settle(self, held: Held, *, delete: bool) -> bool:
        """What becomes of it is decided; return whether it was not decided before."""
        with self.lock:
            if held.state not in (State.WAITING, State.DELIVERED):
                return False
            held.deleted = delete
            self._enter(held, State.SETTLING)
            self.on_room(held.queue)
            return True

    def unsettle(self, held: Held) -> None:
        """What was decided could not be done, and is the consumer's to decide again."""
        with self.lock:
            if held.state is State.SETTLING:
                held.deleted = False
                self._enter(held, State.DELIVERED)

    def end(self, held: Held) -> None:
        """It is not ours any more."""
        with self.lock:
            if held.state is State.GONE:
                return
            self._enter(held, State.GONE)
            del self._by_tag[held.tag]
            if self._by_id.get((held.queue, held.message_id)) is held:
                del self._by_id[held.queue, held.message_id]
            self.on_room(held.queue)

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
        return self._counts[queue, State.WAITING]

    def settling(self, queue: str) -> int:
        """How many messages of *queue* SQS has not confirmed yet."""
        return self._counts[queue, State.SETTLING]

    def delivered(self, queue: str) -> int:
        """How many messages of *queue* are with a consumer."""
        return self._counts[queue, State.DELIVERED]

    @property
    def all_waiting(self) -> int:
        """How many messages no consumer has taken yet."""
        return self._all[State.WAITING]

    @property
    def all_delivered(self) -> int:
        """How many messages are with consumers."""
        return self._all[State.DELIVERED]

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
        self._waiting.clear()
        self._counts.clear()
        self._all.clear()

    def _enter(self, held: Held, state: State) -> None:
        for each, change in ((held.state, -1), (state, 1)):
            if each is not State.GONE:
                self._counts[held.queue, each] += change
                self._all[each] += change
        held.state = state


def _nothing(queue: str) -> None:
    pass
