"""Lost: what is told of a message whose receiver was cut off in a process of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..logs import get_logger
from ..transport.delivery import Delivery
from ..working.context import facts_of
from ..working.masking import loggable

if TYPE_CHECKING:
    from ..registration.queue import RegisteredQueue

logger = get_logger(__name__)


def say_lost(registered: RegisteredQueue, delivery: Delivery, why: Any) -> None:
    """Log a message whose receiver does not come to its end.

    :param why: what has become of its process.
    """
    if registered.delete_on_start:
        # It is the process that deletes it, which does not tell any more whether it has.
        logger.critical(
            "The process that ran the receiver of message %s of queue %s was lost; the message was "
            "deleted on receipt and is lost, unless its receiver had not started: %s; body %s",
            delivery.message_id,
            delivery.queue,
            why,
            loggable(registered.name, delivery, None, registered.receivers.mask),
            extra=facts_of(delivery),
        )
        return
    logger.error(
        "The process that ran the receiver of message %s of queue %s was lost; SQS redelivers it "
        "after its visibility timeout: %s",
        delivery.message_id,
        delivery.queue,
        why,
        extra=facts_of(delivery),
    )
