"""Consumption: how a queue is consumed, and what the pollers of a channel share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..holding.table import HeldMessages
from ..settling.keeper import Keeper
from ..sqs.listing import Listing
from ..sqs.pauses import Pause
from ..sqs.queues import Queues
from ..sqs.requests import Requests
from .inbox import Inbox
from .intake import Intake
from .message_limit import ReceiveLimit
from .terms import QueueTerms


@dataclass(frozen=True, slots=True)
class Consumption:
    """How a queue is consumed, beyond what Kombu's consumers say.

    :param queue: its name.
    :param priority: messages of queues with a higher one are delivered first.
    :param limit: on the messages received from it.
    :param on_poll: called with the number of messages that a poll brought, from any thread.
    :param on_pause: called with the pause when the queue is paused, and with None when it is
        resumed, from any thread.
    :param keeps: called with a pause that begins; returns whether what was received is still for
        the consumer, which is about to refuse it.  None: it is given back.
    :param wait: seconds that a poll waits; None: the transport's ``wait_time_seconds``.
    :param free: returns how many receivers are free; None: one while somebody waits for a
        message.
    :param one_by_one: returns whether no more than one message may be held now, where SQS
        moves those to the dead letters that were received too often.
    :param lasting: whether the consumer comes back for messages for sure, however long it is
        away: then what waits for it is never given back for that.
    :param most: returns how many of its messages may be with the consumer at once; it takes no
        lock.  None: any number.
    :param gathers: returns how many more messages the consumer wants, which gathers several for
        one receiver; None: as many as it takes at its pace.
    """

    queue: str
    priority: int = 0
    limit: ReceiveLimit | None = None
    on_poll: Callable[[int], None] | None = None
    on_pause: Callable[[Pause | None], None] | None = None
    keeps: Callable[[Pause], bool] | None = None
    wait: int | None = None
    free: Callable[[], int] | None = None
    one_by_one: Callable[[], bool] | None = None
    lasting: bool = False
    most: Callable[[], int | None] | None = None
    gathers: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Receiving:
    """What the pollers of a channel share.  It knows nothing of the channel itself.

    :param wait_time: seconds that polls wait, unless a consumption says it; a queue that stays
        empty is polled for twice as long, up to 20.
    :param max_idle: seconds from one poll of an idle queue to the next, at most.
    :param interval: seconds to pause after every empty answer.
    :param look: seconds between two looks whether a queue is paused; 0: nobody looks.
    :param terms: what is known of the queues.
    :param room: returns how many more messages the prefetch count admits.
    """

    requests: Requests
    queues: Queues
    listing: Listing
    table: HeldMessages
    keeper: Keeper
    inbox: Inbox
    intake: Intake
    wait_time: int
    max_idle: float
    interval: float
    look: float
    terms: QueueTerms
    room: Callable[[str, int], int | None]
