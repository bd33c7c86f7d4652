"""Delays longer than SQS's 900 seconds: a message that is not due yet is sent on.

It bears the time that it is due in a message attribute.  A poller that receives it
earlier sends it anew, delayed by what is left, and deletes the old one: a hop.  So no
worker holds it, and its receive count stays that of its tries.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ...exceptions import SQSError
from ...names import FIFO
from ...quotas import MAX_DELAY

if TYPE_CHECKING:
    from ..sqs.received import Message
    from ..sqs.requests import Requests

logger = logging.getLogger(__name__)

#: The message attribute, seconds since the epoch.
DUE = "django_sqs.due"
#: The message attribute of the id that a message keeps when it is sent anew.
ID = "django_sqs.id"
#: What clocks may differ, in seconds: so much too early is in time.
TOLERANCE = 0.5


def delay_until(queue: str, due: float, params: dict[str, Any]) -> dict[str, Any]:
    """*params* of SendMessage for a message that is due at *due*, seconds since the epoch."""
    if queue.endswith(FIFO):
        logger.warning("FIFO queue %s takes no delay for a single message; it is ignored", queue)
        return params
    left = max(0, math.ceil(due - time.time()))
    if left <= MAX_DELAY:
        return {**params, "DelaySeconds": left}
    attributes = {
        **(params.get("MessageAttributes") or {}),
        DUE: {"DataType": "Number", "StringValue": f"{due:.3f}"},
    }
    return {**params, "DelaySeconds": MAX_DELAY, "MessageAttributes": attributes}


def celery_eta(headers: Mapping[str, Any]) -> float | None:
    """When a Celery message's task is due, seconds since the epoch; None: at once."""
    try:
        eta = datetime.fromisoformat(headers["eta"])
    except (KeyError, TypeError, ValueError):
        return None
    # Celery writes no zone where it means UTC.
    return (eta if eta.tzinfo else eta.replace(tzinfo=timezone.utc)).timestamp()


def send_on_early(requests: Requests, queue: str, messages: Sequence[Message]) -> list[Message]:
    """Send on what of the received *messages* is not due yet; return the rest.

    What cannot be sent on stays in the queue until its visibility timeout passes.
    """
    early = [message for message in messages if _due(message) > time.time() + TOLERANCE]
    if not early:
        return list(messages)
    try:
        errors = requests.send_batch(queue, [_anew(queue, message) for message in early])
        sent = [message for message, error in zip(early, errors, strict=True) if error is None]
        if sent:
            # The payload, where it is in S3, now belongs to the new message.
            requests.delete_batch(queue, sent)
    except SQSError as exc:
        logger.warning("%d message(s) of queue %s were not sent on: %s", len(early), queue, exc)
    except Exception:
        logger.exception("%d message(s) of queue %s were not sent on", len(early), queue)
    return [message for message in messages if message not in early]


def _due(message: Message) -> float:
    attribute = (message.get("MessageAttributes") or {}).get(DUE) or {}
    try:
        due = float(attribute["StringValue"])
    except (KeyError, TypeError, ValueError):
        return 0.0
    return due if math.isfinite(due) else 0.0


def _anew(queue: str, message: Message) -> dict[str, Any]:
    attributes = dict(message["MessageAttributes"])
    # What recognizes a message that was received before goes by its first id.
    attributes.setdefault(ID, {"DataType": "String", "StringValue": message["MessageId"]})
    due = float(attributes.pop(DUE)["StringValue"])
    params = {"MessageBody": message["Body"]}
    if attributes:
        params["MessageAttributes"] = attributes
    return delay_until(queue, due, params)
