"""A Kombu message as the parameters of SendMessage."""

from __future__ import annotations

import base64
import logging
import re
import uuid
from typing import Any

from ...exceptions import MessageEncodeError, MessageTooLarge
from ...names import FIFO
from ...quotas import MAX_DELAY, MAX_MESSAGE_BYTES, size_of
from ..body.envelope import write_envelope

logger = logging.getLogger(__name__)

#: SQS takes the characters of XML 1.0 and no others.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GROUP, _DEDUPLICATION = "MessageGroupId", "MessageDeduplicationId"


def send_parameters(queue: str, message: dict[str, Any], wire_format: str) -> dict[str, Any]:
    """What SendMessage needs for *message*, apart from the queue's URL.

    The properties that Kombu's own SQS transport knows mean the same here:
    ``MessageGroupId``, ``MessageDeduplicationId``, ``message_attributes`` and
    ``delay_seconds`` (or ``DelaySeconds``).

    :raises MessageEncodeError: a raw body that SQS would refuse.
    """
    properties = message["properties"]
    params: dict[str, Any] = {}
    if attributes := properties.pop("message_attributes", None):
        params["MessageAttributes"] = attributes
    delay = _delay(properties)
    if _GROUP in properties:
        params[_GROUP] = properties[_GROUP]
    if queue.endswith(FIFO):
        params.setdefault(_GROUP, "default")
        params[_DEDUPLICATION] = properties.get(_DEDUPLICATION) or str(uuid.uuid4())
        if delay:
            logger.warning(
                "FIFO queue %s takes no delay for a single message; %s s are ignored", queue, delay
            )
    elif delay is not None:
        params["DelaySeconds"] = delay
    params["MessageBody"] = (
        _raw_body(queue, message) if wire_format == "raw" else write_envelope(message)
    )
    return params


def _delay(properties: dict[str, Any]) -> int | None:
    for key in ("delay_seconds", "DelaySeconds"):
        value = properties.pop(key, None)
        if value is None:
            continue
        try:
            delay = int(value)
        except (TypeError, ValueError, OverflowError):
            logger.warning("SQS delay %r is not a number; the message is sent without it", value)
            return None
        if not 0 <= delay <= MAX_DELAY:
            logger.warning("SQS delay of %s s is cut to the range 0 to %s s", delay, MAX_DELAY)
        return min(max(delay, 0), MAX_DELAY)
    return None


def _raw_body(queue: str, message: dict[str, Any]) -> str:
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    try:
        text = body.decode() if isinstance(body, bytes) else str(body)
    except UnicodeDecodeError as exc:
        raise MessageEncodeError(
            f"Queue {queue!r} has the raw wire format, whose bodies are text; these bytes are "
            "not UTF-8. Use the message class Message, which writes base64."
        ) from exc
    if not text:
        raise MessageEncodeError(f"SQS takes no empty body (queue {queue!r}, raw wire format)")
    if wrong := _FORBIDDEN.search(text):
        raise MessageEncodeError(
            f"SQS does not take the character {wrong.group()!r} in a body (queue {queue!r}, raw "
            "wire format). Use the message class Message, which writes base64."
        )
    return text


def check_size(queue: str, params: dict[str, Any]) -> None:
    """Raise :class:`MessageTooLarge` for what SQS would refuse."""
    size = size_of(params)
    if size > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(queue, size, MAX_MESSAGE_BYTES)
