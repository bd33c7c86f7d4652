"""A Kombu message as the parameters of SendMessage."""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Mapping
from typing import Any

from ...exceptions import MessageEncodeError
from ...logs import get_logger
from ...names import DEFAULT_GROUP, FIFO
from ...quotas import MAX_ATTRIBUTES, MAX_DELAY
from ..body.envelope import parse_envelope, write_envelope
from .checks import FORBIDDEN, check_attributes, check_identifier
from .delays import delayed
from .trail import EMPTY, TRAIL, Trail

logger = get_logger(__name__)

#: The property of a message that says when it is due, in seconds since the epoch.
DUE = "django_sqs.due"
#: The property of the id by which a message is to be known, however often it is sent.
ID = "django_sqs.id"
#: The property that says when it is too late to receive it, in seconds since the epoch.
EXPIRES = "django_sqs.expires"
#: The property that says whether its sender may cancel it.
TICKET = "django_sqs.ticket"
#: The property that says when it gives back its key of ``unique=``.
FREES = "django_sqs.frees"

_GROUP, _DEDUPLICATION = "MessageGroupId", "MessageDeduplicationId"
_ATTRIBUTES = "message_attributes"
_DELAYS = ("delay_seconds", "DelaySeconds")
#: Told to SQS, or to receivers by the trail, and not written into the body.
_OURS = frozenset({_ATTRIBUTES, *_DELAYS, DUE, ID, EXPIRES, TICKET, FREES, "delivery_tag"})
#: Told to receivers by the trail.
_TOLD = frozenset({ID, EXPIRES, TICKET, FREES})


def send_parameters(
    queue: str, message: Mapping[str, Any], wire_format: str, due: float | None = None
) -> dict[str, Any]:
    """What SendMessage needs for *message*, apart from the queue's URL.

    The properties that Kombu's own SQS transport knows mean the same here:
    ``MessageGroupId``, ``MessageDeduplicationId``, ``message_attributes`` and
    ``delay_seconds`` (or ``DelaySeconds``).  *message* is left as it is: an exchange may give
    it to several queues.

    :param due: when it is due, in seconds since the epoch, if its property does not say so.
    :raises MessageEncodeError: SQS would refuse it.
    """
    properties: Mapping[str, Any] = message["properties"]
    due = _moment(properties.get(DUE, due))
    params: dict[str, Any] = {}
    if attributes := properties.get(_ATTRIBUTES):
        check_attributes(attributes)
        params["MessageAttributes"] = dict(attributes)
    if properties.get(_GROUP) is not None:
        check_identifier(properties[_GROUP], _GROUP)
        params[_GROUP] = properties[_GROUP]
    if queue.endswith(FIFO):
        params.setdefault(_GROUP, DEFAULT_GROUP)
        check_identifier(properties.get(_DEDUPLICATION), _DEDUPLICATION)
        params[_DEDUPLICATION] = properties.get(_DEDUPLICATION) or str(uuid.uuid4())
    params["MessageBody"] = _body(queue, message, wire_format)
    return _when(queue, params, _trail(properties), due, _delay(properties))


def _trail(properties: Mapping[str, Any]) -> Trail:
    if _TOLD.isdisjoint(properties):
        # As nearly all messages: they are sent by the hundred thousand.
        return EMPTY
    return Trail(
        id=properties.get(ID),
        expires=_moment(properties.get(EXPIRES)),
        ticket=bool(properties.get(TICKET)),
        frees=properties.get(FREES),
    )


def _when(
    queue: str, params: dict[str, Any], trail: Trail, due: float | None, delay: int | None
) -> dict[str, Any]:
    if queue.endswith(FIFO):
        if due is not None or delay:
            logger.warning(
                "FIFO queue %s takes no delay for a single message; the delay is ignored", queue
            )
    elif due is not None:
        return _counted(delayed(params, trail, due))
    elif delay is not None:
        params["DelaySeconds"] = delay
    if trail:
        params.setdefault("MessageAttributes", {})[TRAIL] = trail.attribute()
    return _counted(params)


def _counted(params: dict[str, Any]) -> dict[str, Any]:
    attributes = params.get("MessageAttributes", {})
    if len(attributes) > MAX_ATTRIBUTES:
        check_attributes({k: v for k, v in attributes.items() if k != TRAIL}, MAX_ATTRIBUTES - 1)
    return params


def _moment(value: Any) -> float | None:
    right = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if right else None


def _delay(properties: Mapping[str, Any]) -> int | None:
    # As lenient as Kombu's transport, which cuts and logs.
    for key in _DELAYS:
        value = properties.get(key)
        if value is None:
            continue
        try:
            delay = int(value)
        except (TypeError, ValueError, OverflowError):
            logger.warning("SQS delay %r is not a number; the message is sent without it", value)
            return None
        if delay < 0:
            # The queue's own delay holds then.
            logger.warning("SQS delay of %s s is negative; the message is sent without it", delay)
            return None
        if delay > MAX_DELAY:
            logger.warning("SQS delay of %s s is cut to %s s", delay, MAX_DELAY)
        return min(delay, MAX_DELAY)
    return None


def _body(queue: str, message: Mapping[str, Any], wire_format: str) -> str:
    if wire_format == "raw":
        return _raw_body(queue, message)
    properties = {k: v for k, v in message["properties"].items() if k not in _OURS}
    return write_envelope({**message, "properties": properties})


def _raw_body(queue: str, message: Mapping[str, Any]) -> str:
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
        raise MessageEncodeError(
            f"SQS does not accept an empty body (queue {queue!r}, raw wire format)"
        )
    if wrong := FORBIDDEN.search(text):
        raise MessageEncodeError(
            f"SQS does not accept the character {wrong.group()!r} in a body (queue {queue!r}, raw "
            "wire format). Use the message class Message, which writes base64."
        )
    if parse_envelope(text) is not None:
        raise MessageEncodeError(
            f"Receivers would take this body for Kombu's envelope (queue {queue!r}, raw wire "
            'format). Use the wire format "kombu", which wraps it in one.'
        )
    return text
