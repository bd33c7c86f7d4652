"""Splitting: a received message that stands for several is sent as so many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...exceptions import EnvironmentFailure, RequestFailed, SQSError
from ..sqs.received import Message
from .copies import copy_of
from .dispatch import refused_for_content, send_list
from .fitting import fitted
from .resending import Delivery, Sending, payload_of
from .trail import LONGEST_ID, TRAIL, Trail


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a received message, as if it had been received by itself.

    :param channel: the one that the whole came by, as all else that is not its own.
    :param sqs_body: its text.
    :param sqs_message: the message as SQS would return it.
    """

    channel: Sending
    queue: str
    message_id: str
    sqs_body: str
    sqs_message: Message

    @property
    def text(self) -> str:
        """Its text."""
        return self.sqs_body


def part_of(delivery: Delivery, name: str, text: str) -> Part:
    """The part *text* of a received message.

    Attributes and trace are kept.  Its id is that of the message and *name*, so that one that
    is sent twice, since its neighbour was refused, can be told by it.
    """
    received = payload_of(delivery)
    trail = Trail.received(received)
    own = replace(trail, id=_id(f"{trail.id}.{name}"), due=None, restarts=0, tries=0, cursor=None)
    attributes = {**received["MessageAttributes"], TRAIL: own.attribute()}
    message: Any = {**received, "Body": text, "MessageAttributes": attributes}
    return Part(delivery.channel, delivery.queue, delivery.message_id, text, message)


def send_parts(delivery: Delivery, texts: Mapping[str, str]) -> dict[str, SQSError]:
    """Send each of *texts*, by name, to the queue of a received message, which stays itself.

    :returns: why SQS, or S3 for a payload, did not take those that are named.
    """
    errors: dict[str, SQSError] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, text in texts.items():
        try:
            entries[name] = _entry(part_of(delivery, name, text))
        except SQSError as exc:
            errors[name] = exc
    sent = send_list(delivery.channel.requests, delivery.queue, list(entries.values())).errors
    for name, error in zip(entries, sent, strict=True):
        if error is None:
            continue
        errors[name] = error
        if refused_for_content(error):
            # Nobody has it, so nobody would delete its payload in S3.
            _forget(delivery, entries[name])
    return errors


def is_its_own(error: SQSError) -> bool:
    """Whether a part was not taken for what it is, and will not be at another time."""
    if isinstance(error, RequestFailed):
        return refused_for_content(error)
    return not isinstance(error, EnvironmentFailure)


def _id(text: str) -> str:
    # What is longer would be cut, and then be the same for all parts.
    return text if len(text) <= LONGEST_ID else hashlib.sha256(text.encode()).hexdigest()


def _entry(part: Part) -> dict[str, Any]:
    return fitted(part.channel.payloads, part.queue, copy_of(part.sqs_message))


def _forget(delivery: Delivery, entry: Mapping[str, Any]) -> None:
    message = {"Body": entry["MessageBody"], "MessageId": delivery.message_id}
    attributes = entry.get("MessageAttributes")
    delivery.channel.payloads.delete({**message, "MessageAttributes": attributes})
