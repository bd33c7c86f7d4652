"""Held: a received message, one object with one state until SQS has confirmed what became of it.

::

    waiting -> delivered -> settling -> gone
       \\________________________________/   (given back, expired)

Everything that must be known of it while it is held is here, and every change of its state is
one method of :class:`.HeldMessages`.
"""

from __future__ import annotations

import enum

from ...exceptions import SQSError
from ...quotas import MAX_VISIBILITY_TIMEOUT
from ..sqs.received import Message
from .margins import lasts
from .note import Note
from .told import Told


class State(enum.IntEnum):
    """Where in its life a held message is."""

    #: Received; no consumer has it yet.
    WAITING = 0
    #: With a consumer.
    DELIVERED = 1
    #: What becomes of it is decided, and SQS has not confirmed it yet.
    SETTLING = 2
    #: Deleted, visible to others again, or expired: not ours any more.
    GONE = 3


# Up to Python 3.11 it takes as long as a call to look a member up, and each message asks for it.
_GONE = State.GONE


class Held:
    """A received message, from its receive until SQS has confirmed what became of it.

    :param queue: the queue's name.
    :param message: as ReceiveMessage returned it; its latest receipt counts.
    :param seconds: the visibility timeout it was received with.
    :param received_at: when, on the monotonic clock.
    :param receiver: what received it, and gives it back should it wait in vain.
    :ivar message_id: SQS's id of the message.
    :ivar attributed: whether it has message attributes: without, it is neither one that is not
        due yet nor one whose body is in S3.
    :ivar tag: Kombu's delivery tag, the receipt handle it came with.
    :ivar body: the body, read from S3 where it is kept there.
    :ivar error: why the body could not be read.
    :ivar reading: whether the body is being read from S3, for its consumer.
    :ivar renewed: whether its lease is ours to renew; not after a consumer has set its
        visibility, or SQS has said that it is lost.
    :ivar renewals: how many requests that renew it are under way.
    :ivar hiding: whether a request that sets its visibility is under way.
    :ivar let_go: whether it is left to SQS, and if it comes again, is for a consumer again.
    :ivar deleted: whether what becomes of it is its deletion.
    :ivar group: of a FIFO queue's message, its message group, once it is in its lane.
    :ivar note: what is to be written down before SQS is told what becomes of it.
    :ivar told: what was asked of it last, perhaps before it was taken.
    """

    __slots__ = (
        *("attributed", "body", "deleted", "error", "expires_at", "group", "hiding"),
        *("message", "message_id", "note", "queue", "reading", "received_at", "receiver"),
        *("let_go", "renew_at", "renewals", "renewed", "seconds", "state", "tag", "told"),
    )

    def __init__(
        self,
        queue: str,
        message: Message,
        seconds: float,
        received_at: float,
        *,
        receiver: object = None,
    ) -> None:
        self.queue = queue
        self.message = message
        self.seconds = seconds
        self.received_at = received_at
        self.receiver = receiver
        self.message_id = str(message.get("MessageId"))
        self.tag = str(message["ReceiptHandle"])
        self.body = str(message.get("Body", ""))
        self.attributed = bool(message.get("MessageAttributes"))
        self.state = _GONE
        self.error: SQSError | None = None
        self.renewed = True
        self.renewals = 0
        self.hiding = self.let_go = self.reading = False
        self.deleted = False
        self.group = ""
        self.note: Note | None = None
        self.told: Told | None = None
        self.renew_at = received_at + lasts(seconds)
        self.expires_at = received_at + seconds

    def lease(self, now: float, seconds: float) -> None:
        """Count a visibility timeout of *seconds* from *now*."""
        self.renew_at = now + lasts(seconds)
        self.expires_at = now + seconds

    def left(self, now: float) -> int:
        """Whole seconds that it may still be hidden for: SQS counts 12 hours from the receive."""
        # One for the way to SQS, whose clock started before ours.
        return max(0, int(self.received_at + MAX_VISIBILITY_TIMEOUT - now) - 1)
