"""A warning of queues where SQS makes dead letters of what has tries left."""

from __future__ import annotations

from typing import Any

from ..logs import get_logger
from ..names import FIFO
from .registered import Registered

logger = get_logger(__name__)


def warn_of_early_burial(registered: Registered, queue: str, requests: Any) -> None:
    """Warn of a FIFO queue in SQS whose redrive policy allows fewer receives than the tries.

    What a standard queue's would bury is sent again before; in a FIFO queue it would lose its
    place.

    :param queue: its name in SQS.
    :param requests: what asks SQS; nothing is asked about other queues.
    """
    if not (queue.endswith(FIFO) and registered.policy.counts_tries):
        return
    redrive = requests.facts(queue).redrive
    if redrive is None or not redrive.dead_letter_arn:
        return
    if redrive.max_receives < registered.policy.most_tries:
        logger.warning(
            "Queue %s: messages have %d tries, but its redrive policy in SQS allows %d receives. "
            "They become dead letters after that many; raise maxReceiveCount.",
            queue,
            registered.policy.most_tries,
            redrive.max_receives,
        )
