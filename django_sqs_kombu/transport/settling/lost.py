"""Lost: a message that is settled when its lease is over, which is logged and does no harm."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ...exceptions import RequestFailed
from ..sqs.received import Message

logger = logging.getLogger(__name__)


def log_failure(message: Message, failure: RequestFailed | None) -> None:
    """Log why *message* could not be settled."""
    if failure is None:
        return
    if not failure.lost:
        logger.error("Message %s: %s", message.get("MessageId"), failure)
        return
    logger.warning(
        "Message %s of queue %s is no longer ours, its visibility timeout has passed (%s). "
        "A longer visibility_timeout avoids that.",
        message.get("MessageId"),
        failure.queue,
        failure.code,
    )


@contextmanager
def unless_lost(message: Message) -> Iterator[None]:
    """Log that *message* is lost, where the block says so; other failures are raised."""
    try:
        yield
    except RequestFailed as exc:
        if not exc.lost:
            raise
        log_failure(message, exc)
