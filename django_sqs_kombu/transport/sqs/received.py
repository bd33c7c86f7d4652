"""Received: only a message that has all that SQS gives each message is handed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import md5
from typing import Any

from ...logs import get_logger
from ...names import FIFO
from ...printable import NAME, line
from ...quotas import MAX_MESSAGES
from .answers import same_body

logger = get_logger(__name__)

Message = Mapping[str, Any]

#: How many wrong messages are remembered as logged.
_REMEMBERED = 100 * MAX_MESSAGES
_NEEDED = ("ReceiptHandle", "MessageId", "Body")


class Received:
    """Looks at what ReceiveMessage hands out.

    What is wrong is logged once and left out: it stays in its queue, where its visibility
    timeout and its redrive policy go on.
    """

    def __init__(self) -> None:
        self._logged: dict[str, None] = {}

    def valid(self, queue: str, messages: object) -> list[Message]:
        """Those of *messages* that can be handled."""
        listed = messages if isinstance(messages, list) else []
        seen: set[str] = set()
        valid = []
        for message in listed:
            if not _is_usual(message):
                if wrong := _what_is_wrong(message):
                    self._log(queue, message, wrong)
                    continue
                message = _with_attributes(message)
            if message["ReceiptHandle"] not in seen:
                seen.add(message["ReceiptHandle"])
                valid.append(message)
        if queue.endswith(FIFO):
            for message in valid:
                if "MessageGroupId" not in message["Attributes"]:
                    self._log_once(f"{queue} groups", _NO_GROUP, queue)
        return valid

    def _log(self, queue: str, message: object, wrong: str) -> None:
        found = message.get("MessageId") if isinstance(message, dict) else message
        name = line(str(found), NAME)
        self._log_once(
            f"{queue} {name}",
            "Message %s of queue %s is left in the queue, because what SQS returned %s",
            name,
            queue,
            wrong,
        )

    def _log_once(self, key: str, text: str, *args: object) -> None:
        if key in self._logged:
            return
        if len(self._logged) >= _REMEMBERED:
            self._logged.clear()
        self._logged[key] = None
        logger.error(text, *args)


_NO_GROUP = (
    "Messages of queue %s arrive without their message groups, so their order cannot be kept. "
    "The server does not return MessageGroupId: use SQS itself, or a newer emulator (moto from "
    "5.1.5 on)"
)


def _is_usual(message: Any) -> bool:
    """Whether a message has all that it needs, as SQS writes it: a quick look at most of them."""
    try:
        body, attributes = message["Body"], message["Attributes"]
        # Only what is text throughout can be joined.
        "".join((message["MessageId"], message["ReceiptHandle"], *attributes.values()))
        return bool(
            message["ReceiptHandle"]
            and message["MessageId"]
            and attributes["ApproximateReceiveCount"].isdecimal()
            and md5(body.encode(), usedforsecurity=False).hexdigest() == message["MD5OfBody"]
        )
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError):
        return False


def _what_is_wrong(message: object) -> str | None:
    if not isinstance(message, dict):
        return "is not a message"
    for name in _NEEDED:
        if not isinstance(message.get(name), str) or not (message[name] or name == "Body"):
            return f"has no {name}"
    if not same_body(message["Body"], message.get("MD5OfBody")):
        return "has a body that does not match its MD5 sum"
    return None


def _with_attributes(message: dict[str, Any]) -> Message:
    """*message*, its attributes without those that are not of SQS's form."""
    attributes = dict(_texts(message.get("Attributes")))
    if not attributes.get("ApproximateReceiveCount", "1").isdecimal():
        del attributes["ApproximateReceiveCount"]
    return {**message, "Attributes": attributes}


def _texts(attributes: object) -> Iterator[tuple[str, str]]:
    if isinstance(attributes, dict):
        yield from ((k, v) for k, v in attributes.items() if isinstance(v, str))


def moved_from(message: Mapping[str, Any]) -> str:
    """The name in SQS of the queue that SQS has moved a dead letter from; empty: it has not."""
    arn = str((message.get("Attributes") or {}).get("DeadLetterQueueSourceArn") or "")
    return arn.rpartition(":")[2]


def group_of(message: Mapping[str, Any]) -> str:
    """The message group that a message was sent with; empty: none."""
    return str((message.get("Attributes") or {}).get("MessageGroupId") or "")


def without_bytes(message: Message) -> Message:
    """The received message, as JSON can hold it: binary attributes are left out."""
    attributes = message.get("MessageAttributes")
    if not attributes or not any("BinaryValue" in value for value in attributes.values()):
        return message
    text = {name: value for name, value in attributes.items() if "BinaryValue" not in value}
    return {**message, "MessageAttributes": text}
