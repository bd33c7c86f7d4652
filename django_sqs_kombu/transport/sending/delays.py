"""Delays longer than SQS's 900 seconds: a message that is not due yet is sent on.

It carries the time that it is due in its trail.  Whoever receives it earlier sends it again,
delayed by what is left, and deletes the old one: a hop.  So no worker holds it, and its
receive count stays that of its tries.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ...exceptions import SQSError
from ...logs import get_logger
from ...names import FIFO
from ...quotas import MAX_DELAY, MAX_RETENTION, MAX_VISIBILITY_TIMEOUT
from .copies import copy_of
from .dispatch import send_list
from .trail import TRAIL, Trail

if TYPE_CHECKING:
    from ..sqs.received import Message
    from ..sqs.requests import Requests

logger = get_logger(__name__)

#: What clocks may differ, in seconds: so much too early is in time.
TOLERANCE = 0.5
#: The longest that a message which cannot be sent on is hidden, in seconds; SQS counts its
#: 12 hours from the receive, which was a moment ago.
LONGEST_HIDING = MAX_VISIBILITY_TIMEOUT - 300


def delayed(entry: dict[str, Any], trail: Trail, due: float) -> dict[str, Any]:
    """*entry* for a message that is due at *due*, in seconds since the epoch.

    Its trail says so only where SQS's own delay does not reach.

    :param trail: what else the message carries.
    """
    left = max(0, math.ceil(due - time.time()))
    trail = replace(trail, due=due if left > MAX_DELAY else None)
    attributes = {k: v for k, v in (entry.get("MessageAttributes") or {}).items() if k != TRAIL}
    if trail:
        attributes[TRAIL] = trail.attribute()
    entry = {**entry, "DelaySeconds": min(left, MAX_DELAY)}
    entry.pop("MessageAttributes", None)
    if attributes:
        entry["MessageAttributes"] = attributes
    return entry


def celery_eta(headers: Mapping[str, Any]) -> float | None:
    """When a Celery message's task is due, seconds since the epoch; None: at once."""
    try:
        eta = datetime.fromisoformat(headers["eta"])
    except (KeyError, TypeError, ValueError):
        return None
    # Celery writes no zone where it means UTC.
    return (eta if eta.tzinfo else eta.replace(tzinfo=timezone.utc)).timestamp()


def seconds_until_due(queue: str, message: Message) -> float:
    """How long a received *message* has to be sent on; 0: it is to be received now.

    No message is due later than SQS keeps one, counted from its first sending, whatever it
    says; so it hops no more often than that takes.  A FIFO queue takes no delays, and one that
    a message of it claims would block its group.
    """
    attributes = message.get("MessageAttributes")
    if not attributes or TRAIL not in attributes or queue.endswith(FIFO):
        return 0.0
    trail = Trail.received(message)
    if trail.due is None:
        return 0.0
    now = time.time()
    due = min(trail.due, (now if trail.sent is None else trail.sent) + MAX_RETENTION)
    left = due - now
    return left if left > TOLERANCE else 0.0


def send_on(
    requests: Requests, queue: str, early: Sequence[tuple[Message, float]]
) -> list[Exception | None]:
    """Send on received messages, each with the seconds until it is due.

    :returns: for each None, or why it was not sent on: then it stays, hidden until it is due or
        for :data:`LONGEST_HIDING` seconds, so that it uses up no receives.
    """
    errors: list[Exception | None]
    try:
        result = send_list(requests, queue, [_hop(message, left) for message, left in early])
        errors = list(result.errors)
    except Exception as exc:
        if not isinstance(exc, SQSError):
            logger.exception(
                "Messages of queue %s could not be sent again with the rest of their delay", queue
            )
        errors = [exc] * len(early)
    failed = [error for error in errors if error is not None]
    if failed:
        logger.warning(
            "%d message(s) of queue %s could not be forwarded, and stay hidden until they are "
            "due: %s",
            len(failed),
            queue,
            failed[-1],
        )
    return errors


def hiding(left: float) -> int:
    """Seconds to hide a message that is due in *left* seconds and was not sent on."""
    return math.ceil(min(left, LONGEST_HIDING))


def _hop(message: Message, left: float) -> dict[str, Any]:
    trail = Trail.received(message)
    sent = time.time() if trail.sent is None else trail.sent
    return delayed(copy_of(message), replace(trail, sent=sent), time.time() + left)
