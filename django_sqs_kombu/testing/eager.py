"""Eager mode: messages are received at once, in the same thread, without SQS."""

from __future__ import annotations

from dataclasses import replace

import kombu

from ..exceptions import Continue
from ..logs import get_logger
from ..registration.outgoing import Outgoing
from ..working.context import apart
from ..working.freeing import free_at_end
from ..working.registered import Registered
from ..working.table import TABLE, Action, Attempts, row_for
from .local_delivery import LocalDelivery

logger = get_logger(__name__)

#: How often a receiver is run before its RestartLater, or what is like it, is an error.
MOST_TRIES = 10


def receive_at_once(registered: Registered, queue: kombu.Queue, outgoing: Outgoing) -> None:
    """Run the receiver on a message that is sent; an outlet for :attr:`Receivers.outlet`.

    The message is written and read as on its way through SQS.  Delays are skipped: a message that
    a worker would retry later, such as after RestartLater, is retried at once.  If a
    worker would log an error and settle the message, the error is raised, so that a test sees
    it.  Messages to a queue without a receiver are not handled.
    """
    if registered.receiver is None:
        logger.info("Queue %s has no receiver, so nobody handles its message", queue.name)
        return
    raised: BaseException | None = None
    row, receives, cursor = TABLE[0], 1, None
    delivery = LocalDelivery(queue.name, outgoing)
    while receives <= MOST_TRIES:
        delivery = LocalDelivery(queue.name, outgoing, receives, cursor, delivery.message_id)
        raised = apart(registered.attempt, delivery, queue).raised
        row = row_for(raised, Attempts(receives, receives), registered.table)
        if row.action is not Action.REQUEUE:
            break
        receives += 1
        if isinstance(raised, Continue) and raised.cursor != cursor:
            # It goes on, so it has its tries again.
            receives, cursor = 1, raised.cursor
    for part in delivery.parts:
        receive_at_once(registered, queue, replace(outgoing, body=part))
    free_at_end(registered, delivery, raised)
    if raised is not None and not (row.named and row.action is Action.DISCARD):
        raise raised
