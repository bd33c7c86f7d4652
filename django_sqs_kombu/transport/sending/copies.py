"""Copies: a received message as what SendMessage needs to send it again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...exceptions import RequestFailed
from .trail import TRAIL, Trail

if TYPE_CHECKING:
    from ..sqs.received import Message
    from ..sqs.requests import Requests

logger = logging.getLogger(__name__)

#: Seconds between the tries of deleting a message whose copy SQS has accepted.
PAUSES = (0.2, 0.8, 2.0)
#: What a message attribute is made of; a received one may have more.
_PARTS = ("DataType", "StringValue", "BinaryValue")
#: A message system attribute: X-Ray's, which SQS does not count among the ten.
_TRACE = "AWSTraceHeader"


def copy_of(message: Mapping[str, Any], trail: Trail | None = None) -> dict[str, Any]:
    """What SendMessage needs to send *message* again: its body, attributes, group and trace.

    :param trail: replaces its trail; None: that is kept as it is.
    """
    attributes = {
        name: {part: value[part] for part in _PARTS if part in value}
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    if trail is not None:
        attributes.pop(TRAIL, None)
        if trail:
            attributes[TRAIL] = trail.attribute()
    system: Mapping[str, str] = message.get("Attributes") or {}
    entry: dict[str, Any] = {"MessageBody": message["Body"]}
    if attributes:
        entry["MessageAttributes"] = attributes
    if group := system.get("MessageGroupId"):
        # A FIFO queue's, or the tenant of a fair one.
        entry["MessageGroupId"] = group
    if trace := system.get(_TRACE):
        entry["MessageSystemAttributes"] = {_TRACE: {"DataType": "String", "StringValue": trace}}
    return entry


def delete_originals(requests: Requests, queue: str, messages: Sequence[Message]) -> None:
    """Delete received messages whose copies SQS has accepted; what fails is tried again.

    Their payloads in S3 stay: they belong to the copies.
    """
    left, reason = list(messages), None
    for pause in (*PAUSES, None):
        left, reason = _delete_once(requests, queue, left)
        if not left:
            return
        if reason is None or not reason.passing:
            break
        if pause is not None:
            time.sleep(pause)
    logger.error(
        "Messages %s of queue %s were sent again and could not be deleted, so they come twice: %s",
        ", ".join(str(message.get("MessageId")) for message in left),
        queue,
        reason,
    )


def _delete_once(
    requests: Requests, queue: str, messages: list[Message]
) -> tuple[list[Message], RequestFailed | None]:
    """What is still to be deleted, and why."""
    try:
        errors = requests.delete_batch(queue, messages)
    except RequestFailed as exc:
        return messages, exc
    failed = [
        (message, error)
        for message, error in zip(messages, errors, strict=True)
        if error is not None and not error.lost
    ]
    return [message for message, _ in failed], failed[-1][1] if failed else None
