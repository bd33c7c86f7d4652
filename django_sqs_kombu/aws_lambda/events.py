"""Events: the records of a Lambda function's SQS event, as ReceiveMessage returns messages."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..exceptions import ConfigurationError
from ..logs import get_logger
from ..rules import shown
from ..transport.sqs.received import Message

logger = get_logger(__name__)

#: What the function's event source is.
SOURCE = "aws:sqs"

#: What an MD5 sum is.  The console's test event for SQS has the name of a variable in its place.
_SUM = re.compile("[0-9a-fA-F]{32}")
#: An ARN's parts: "arn:aws:sqs:eu-west-1:123456789012:a-queue".
_ARN_PARTS = 6
#: The domains of the servers of AWS's partitions; of others SQS is asked.
_DOMAINS = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
}


@dataclass(frozen=True, slots=True)
class QueueArn:
    """Where the records of an event come from.

    :param text: the ARN itself.
    :param name: the queue's name in SQS.
    """

    text: str
    name: str
    partition: str
    region: str
    account: str

    @property
    def url(self) -> str | None:
        """The queue's URL, as GetQueueUrl would say it; None: SQS is to be asked."""
        domain = _DOMAINS.get(self.partition)
        return domain and f"https://sqs.{self.region}.{domain}/{self.account}/{self.name}"


@dataclass(slots=True)
class Batch:
    """The records of one queue.

    :ivar ids: the ids of all its messages, in their order.
    :ivar messages: those that can be read, as ReceiveMessage returns them.
    """

    arn: QueueArn
    ids: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def read(event: object) -> list[Batch]:
    """The batches of an event, one for each queue.

    A record that is not of SQS's form is logged, and in no list of messages.

    :raises ConfigurationError: it is no event of SQS.
    """
    batches: dict[str, Batch] = {}
    for record in _records(event):
        arn = str(record.get("eventSourceARN"))
        if arn not in batches:
            batches[arn] = Batch(_queue_arn(record))
        batch = batches[arn]
        batch.ids.append(record["messageId"])
        try:
            batch.messages.append(_message(record))
        except (AttributeError, KeyError, TypeError, binascii.Error) as exc:
            logger.error(
                "Message %s of queue %s is left in the queue, because its record cannot be read: "
                "%r",
                record["messageId"],
                batch.arn.name,
                exc,
            )
    return list(batches.values())


def _records(event: object) -> Iterator[Mapping[str, Any]]:
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        raise ConfigurationError(
            f"The event {shown(event)} is not from SQS: it has no list of Records. Give the "
            "function an event source mapping to an SQS queue"
        )
    for record in records:
        if not (isinstance(record, Mapping) and isinstance(record.get("messageId"), str)):
            raise ConfigurationError(
                f"The record {shown(record)} has no messageId, so it is not from SQS"
            )
        if record.get("eventSource") != SOURCE:
            raise ConfigurationError(
                f"The record comes from {shown(record.get('eventSource'))}, not from {SOURCE!r}: "
                "this handler only takes events from SQS queues"
            )
        yield record


def _queue_arn(record: Mapping[str, Any]) -> QueueArn:
    text = record.get("eventSourceARN")
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) != _ARN_PARTS or not parts[-1]:
        raise ConfigurationError(f"The eventSourceARN {shown(text)} is not the ARN of an SQS queue")
    _, partition, _, region, account, name = parts
    return QueueArn(str(text), name, partition, region, account)


def _message(record: Mapping[str, Any]) -> Message:
    """A record as ReceiveMessage returns it."""
    message = {
        "MessageId": record["messageId"],
        "ReceiptHandle": record["receiptHandle"],
        "Body": record["body"],
        "Attributes": dict(record.get("attributes") or {}),
    }
    if _SUM.fullmatch(str(record.get("md5OfBody"))):
        message["MD5OfBody"] = record["md5OfBody"]
    if attributes := record.get("messageAttributes"):
        message["MessageAttributes"] = {
            name: _attribute(value) for name, value in attributes.items()
        }
    return message


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"DataType": value["dataType"]}
    if (text := value.get("stringValue")) is not None:
        attribute["StringValue"] = text
    if (data := value.get("binaryValue")) is not None:
        attribute["BinaryValue"] = b64decode(data, validate=True)
    return attribute
