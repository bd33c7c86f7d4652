"""Putting off: what a consumer of Kombu's cannot have now is left for a later receive."""

from __future__ import annotations

from functools import partial

from ..exceptions import SQSError
from ..logs import get_logger
from .delivery import Delivery, receive_count
from .sending.resending import send_again
from .sending.trail import Trail
from .settling.backoff import Backoff
from .settling.keeper import Keeper
from .sqs.threads import aside

logger = get_logger(__name__)


def put_off(delivery: Delivery, keeper: Keeper, backoff: Backoff, *, waits: bool) -> None:
    """Leave a message that was not read for a later receive.

    Where receives count it is sent again: S3 may be away for longer than they last, and SQS
    would move the message to the dead letters, though nobody has tried it.

    :param waits: whether this thread may wait for SQS, as that of an event loop may not.
    """
    if waits:
        _put_off(delivery, keeper, backoff)
    else:
        aside(partial(_put_off, delivery, keeper, backoff))


def _put_off(delivery: Delivery, keeper: Keeper, backoff: Backoff) -> None:
    held = delivery.held
    if not delivery.is_fifo and _is_sent_again(delivery):
        keeper.delete(held)
    else:
        seconds = backoff.delay(receive_count(held.message))
        keeper.hide(held, seconds, linger=not delivery.is_fifo)


def _is_sent_again(delivery: Delivery) -> bool:
    try:
        if not delivery.channel.requests.redrives(delivery.queue):
            return False
        trail = Trail.of(delivery.sqs_message.get("MessageAttributes"))
        send_again(delivery, tries=trail.tries + delivery.receive_count - 1)
    except Exception as exc:
        logger.warning(
            "Message %s of queue %s could not be sent again; it stays, and the receive counts: %s",
            delivery.message_id,
            delivery.queue,
            exc,
            exc_info=None if isinstance(exc, SQSError) else exc,
        )
        return False
    return True
