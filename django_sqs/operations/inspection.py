"""Inspection: what a message says, for a person who looks at a queue."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from django_sqs_kombu import administration
from django_sqs_kombu.messages import BigMessage
from django_sqs_kombu.transport import SQSMessage
from django_sqs_kombu.working import printable

from .queues import Target


@dataclass(frozen=True, slots=True)
class Inspected:
    """A message that was looked at.

    :param id: SQS's id.
    :param sent_at: seconds since the epoch, where SQS says.
    :param receive_count: how often it was received, the look included.
    :param group_id: its message group, if any.
    :param attributes: its message attributes, text and numbers.
    :param body: the SQS body.
    :param shown: the decoded body, cut, control characters escaped.
    """

    id: str
    sent_at: float | None
    receive_count: int
    group_id: str | None
    attributes: dict[str, str]
    body: str
    shown: str

    def as_dict(self) -> dict[str, Any]:
        """The same, for JSON."""
        return asdict(self)

    @property
    def age(self) -> float | None:
        """Seconds since it was sent."""
        return None if self.sent_at is None else max(0.0, time.time() - self.sent_at)


def inspect(target: Target, message: SQSMessage) -> Inspected:
    """What *message*, of the queue *target* or its dead-letter queue, says."""
    system = message.get("Attributes") or {}
    return Inspected(
        id=str(message.get("MessageId")),
        sent_at=administration.sent_at(message),
        receive_count=int(system.get("ApproximateReceiveCount") or 0),
        group_id=system.get("MessageGroupId"),
        attributes=administration.text_attributes(message),
        body=str(message.get("Body", "")),
        shown=_shown(target, message),
    )


def _shown(target: Target, message: SQSMessage) -> str:
    channel = target.registered.receivers.channel()
    delivery = channel.delivery(target.full_name, message, settles=False)
    cls = target.registered.message_class
    if delivery.errors or issubclass(cls, BigMessage):
        # Its object in S3 is not downloaded for a look.
        return printable(delivery, None)
    try:
        decoded = cls.from_delivery(delivery, target.registered.get_queue(target.suffix))
    except Exception:  # noqa: BLE001 - one that cannot be decoded is shown as it is
        return printable(delivery, None)
    return printable(delivery, decoded)
