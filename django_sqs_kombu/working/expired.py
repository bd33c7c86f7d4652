"""Expired: a message whose visibility timeout ran out while it waited."""

from __future__ import annotations

from ..logs import get_logger
from ..transport.delivery import Delivery

logger = get_logger(__name__)


def abandon(delivery: Delivery) -> None:
    """Leave to SQS what others may have by now: sent again or given back, it would come twice."""
    logger.info(
        "Message %s of queue %s waited longer than its visibility timeout; it is redelivered",
        delivery.message_id,
        delivery.queue,
    )
    delivery.abandon()
