"""Inspection: what a message says, for a person who looks at a queue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django_sqs_kombu import administration
from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.messages import BigMessage
from django_sqs_kombu.printable import line, quoted
from django_sqs_kombu.transport import SQSMessage
from django_sqs_kombu.working import Failure, printable

from .queues import Target

#: Bytes of a payload in S3 that a look shows on request.
BEGINNING = 1_000
#: What the names of attributes that the library adds begin with.
OURS = "django_sqs."
#: Characters of an exception's text that a look shows.
REASON = 200


@dataclass(frozen=True, slots=True)
class Inspected:
    """A message that was looked at.

    :param id: SQS's id.
    :param sent_at: seconds since the epoch, where SQS says.
    :param receive_count: how often it was received, the look included.
    :param group_id: its message group, if any.
    :param attributes: its message attributes, text and numbers.
    :param body: the SQS body.
    :param payload: where in S3 its payload is, if it is there.
    :param shown: the decoded body, cut, control characters escaped; of a payload in S3 its
        place, or its beginning where that was read.
    :param reason: the exception that made it a dead letter, class and text, cut; empty where it
        does not say.
    """

    id: str
    sent_at: float | None
    receive_count: int
    group_id: str | None
    attributes: dict[str, str]
    body: str
    payload: str | None
    shown: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The same, for JSON."""
        return asdict(self)

    @property
    def age(self) -> float | None:
        """Seconds since it was sent."""
        return None if self.sent_at is None else max(0.0, time.time() - self.sent_at)

    @property
    def senders(self) -> dict[str, str]:
        """The attributes that its sender gave it; ours have names of our own."""
        return {n: v for n, v in self.attributes.items() if not n.startswith(OURS)}

    @property
    def traceback(self) -> str:
        """Of the exception that made it a dead letter; empty where it does not say."""
        failure = Failure.read({n: {"StringValue": v} for n, v in self.attributes.items()})
        return failure.traceback if failure else ""


def inspect(target: Target, message: SQSMessage, beginning: str | None = None) -> Inspected:
    """What *message*, of the queue *target* or its dead-letter queue, says.

    Nothing is downloaded for it.

    :param beginning: of its payload in S3, where :func:`beginnings` has read it.
    """
    system = message.get("Attributes") or {}
    pointer = target.channel.payloads.pointer(message)
    payload = None if pointer is None else str(pointer)
    return Inspected(
        id=str(message.get("MessageId")),
        sent_at=administration.sent_at(message),
        receive_count=int(system.get("ApproximateReceiveCount") or 0),
        group_id=system.get("MessageGroupId"),
        attributes=administration.text_attributes(message),
        body=str(message.get("Body", "")),
        payload=payload,
        shown=_shown(target, message, payload, beginning),
        reason=_reason(message),
    )


def beginnings(target: Target, messages: Iterable[SQSMessage]) -> dict[str, str]:
    """The beginnings of payloads in S3, or why they cannot be read, by the messages' ids."""
    payloads = target.channel.payloads
    found = {}
    for message in messages:
        if payloads.pointer(message) is not None:
            try:
                found[message["MessageId"]] = payloads.beginning(message, BEGINNING)
            except SQSError as exc:
                found[message["MessageId"]] = str(exc)
    return found


def _reason(message: SQSMessage) -> str:
    failure = Failure.read(message.get("MessageAttributes"))
    if failure is None:
        return ""
    name = failure.error.rpartition(".")[2]
    return line(f"{name}: {failure.text}" if failure.text else name, REASON)


def _shown(target: Target, message: SQSMessage, payload: str | None, beginning: str | None) -> str:
    if beginning is not None:
        return quoted(beginning)
    if payload is not None:
        return payload
    delivery = target.channel.delivery(target.full_name, message, settles=False)
    cls = target.registered.message_class
    if delivery.errors or issubclass(cls, BigMessage):
        # Its object in S3 is not downloaded for a look.
        return printable(delivery, None)
    try:
        decoded = cls.from_delivery(delivery, target.registered.get_queue(target.suffix))
    except Exception:  # noqa: BLE001 - one that cannot be decoded is shown as it is
        return printable(delivery, None)
    return printable(delivery, decoded)
