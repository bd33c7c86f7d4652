"""Notification: what an SNS topic wraps around what was published to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..exceptions import MessageDecodeError
from ..printable import NAME, quoted
from ..quotas import MAX_MESSAGE_BYTES
from .reading import json_object, time_of
from .writing import compact

#: What SNS asks the owner of a queue for, or tells him; no program is to follow its links.
_FOR_OWNERS = {
    "SubscriptionConfirmation": "open the SubscribeURL in its body, if the topic is yours",
    "UnsubscribeConfirmation": "it was unsubscribed; the SubscribeURL in its body undoes that",
}


#: The most characters that wrapping all parts of one message again may take.
MOST_WRAPPING = 16 * MAX_MESSAGE_BYTES
#: What is true of the whole text alone.
_SIGNED = ("Signature", "SignatureVersion", "SigningCertURL")


@dataclass(frozen=True, slots=True)
class Notification:
    """What SNS says of a message beside its text.

    Whoever may write to the queue may write any: only the queue's policy keeps others away.

    :param topic: the topic's ARN.
    :param message_id: SNS's id of what was published.
    :param subject: its subject; None: it has none.
    :param time: when it was published.
    :param attributes: its message attributes, as text by name; binary ones are base64.
    """

    topic: str
    message_id: str
    subject: str | None = None
    time: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def unwrapped(text: str) -> tuple[Notification | None, str]:
    """The notification that *text* is, and what was published; None and *text*: it is none.

    :raises MessageDecodeError: SNS asks the queue's owner for something.
    """
    found = json_object(text) or {}
    kind, topic = found.get("Type"), found.get("TopicArn")
    if not (isinstance(topic, str) and isinstance(kind, str)):
        return None, text
    if kind in _FOR_OWNERS and "SubscribeURL" in found:
        raise MessageDecodeError(
            f"SNS sent a {kind} for the topic {quoted(topic, NAME)}: {_FOR_OWNERS[kind]}"
        )
    message = found.get("Message")
    if kind != "Notification" or not isinstance(message, str):
        return None, text
    subject = found.get("Subject")
    notification = Notification(
        topic,
        str(found.get("MessageId") or ""),
        subject if isinstance(subject, str) else None,
        time_of(found.get("Timestamp")),
        _texts(found.get("MessageAttributes")),
    )
    return notification, message


def wrapped_again(text: str, parts: Sequence[str]) -> list[str]:
    """Each of *parts*, of what the notification *text* wraps, in a notification of its own.

    SNS's signature is left out, since it is that of the whole.  Where so many would be out of
    all proportion to what was received, they stay as they are.
    """
    found = json_object(text) or {}
    kept = {name: value for name, value in found.items() if name not in {"Message", *_SIGNED}}
    if len(compact(kept)) * len(parts) > MOST_WRAPPING:
        return list(parts)
    return [compact({**kept, "Message": part}) for part in parts]


def _texts(attributes: Any) -> dict[str, str]:
    items = attributes.items() if isinstance(attributes, dict) else ()
    return {
        name: value["Value"]
        for name, value in items
        if isinstance(value, dict) and isinstance(value.get("Value"), str)
    }
