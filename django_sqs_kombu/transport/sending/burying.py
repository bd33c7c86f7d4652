"""Burying: a received message is sent to a dead-letter queue, with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...logs import get_logger
from ...names import DEFAULT_GROUP, FIFO
from ...quotas import MAX_ATTRIBUTES, MAX_MESSAGE_BYTES, size_of
from ..body.envelope import rewritten
from .checks import TRAIL_GROWTH
from .copies import copy_of
from .resending import Delivery, never, payload_of, send_copy, send_surely
from .trail import TRAIL, Trail

logger = get_logger(__name__)

#: A message attribute.
Attribute = Mapping[str, Any]


def bury(
    delivery: Delivery,
    target: str,
    name: str,
    reasons: Sequence[Attribute],
    *,
    deleted: bool = False,
    stops: Callable[[], bool] = never,
    lasts: bool = False,
) -> None:
    """Send a received message to the dead-letter queue *target*; the caller deletes it then.

    Body, attributes, message group and trace are kept.  A payload in S3 is written anew, since
    the old object is deleted with the received message.

    :param target: the name in SQS of a queue of the same kind.
    :param name: the attribute that says why.
    :param reasons: what it may be, the longest first: the first that fits is taken, or none.
        Where the message has ten attributes, it becomes a header of the envelope, if there is
        one.
    :param deleted: it was deleted on receipt, so what fails for a reason that can pass is tried
        again for half a minute.
    :param stops: see :func:`.send_surely`.
    :param lasts: it expires no more, as it was a dead letter before.
    :raises SQSError: SQS, or S3 for its payload, did not take it.
    """
    *others, least = _letters(_entry(delivery, target, lasts), name, reasons)
    letter = next((each for each in others if _has_room(each, least)), least)
    if letter is least:
        logger.warning(
            "The dead letter of message %s of queue %s has no room left for the reason why it "
            "failed",
            delivery.message_id,
            delivery.queue,
        )
    if deleted:
        send_surely(delivery, target, letter, stops)
    else:
        send_copy(delivery, target, letter)


def _entry(delivery: Delivery, target: str, lasts: bool) -> dict[str, Any]:
    received = payload_of(delivery)
    # It has its tries again when it comes back, and may stay as long as any.
    trail = replace(Trail.received(received), due=None, sent=None, restarts=0, tries=0)
    if lasts:
        trail = replace(trail, expires=None)
    entry = copy_of(received, trail)
    if target.endswith(FIFO):
        entry.setdefault("MessageGroupId", DEFAULT_GROUP)
        # Of this receive alone: redriven, it may fail again within SQS's five minutes.
        handle = str(delivery.sqs_message.get("ReceiptHandle") or delivery.message_id)
        entry["MessageDeduplicationId"] = hashlib.sha256(handle.encode()).hexdigest()
    return entry


def _letters(
    entry: dict[str, Any], name: str, reasons: Sequence[Attribute]
) -> Iterator[dict[str, Any]]:
    """What may be sent, the best first; the last is what was received."""
    attributes = entry.get("MessageAttributes") or {}
    # Its id is worth less than the reason, which tells it as well.
    bare = {key: value for key, value in attributes.items() if key != TRAIL}
    for kept in (attributes, bare):
        for reason in reasons:
            yield {**entry, "MessageAttributes": {**kept, name: dict(reason)}}
    for reason in reasons:
        if (body := _with_header(entry["MessageBody"], name, reason)) is not None:
            yield {**entry, "MessageBody": body, "MessageAttributes": bare}
    yield {**entry, "MessageAttributes": bare}


def _has_room(letter: Mapping[str, Any], least: Mapping[str, Any]) -> bool:
    """Whether SQS takes so many attributes and, unless its payload is in S3 anyway, bytes."""
    in_s3 = size_of(least) > MAX_MESSAGE_BYTES
    fits = in_s3 or size_of(letter) + TRAIL_GROWTH <= MAX_MESSAGE_BYTES
    return fits and len(letter["MessageAttributes"]) + in_s3 <= MAX_ATTRIBUTES


def _with_header(body: str, name: str, reason: Attribute) -> str | None:
    """The envelope *body* with one more header; None: it is no envelope."""
    facts = json.loads(reason["StringValue"])
    return rewritten(body, lambda envelope: envelope["headers"].update({name: facts}))
