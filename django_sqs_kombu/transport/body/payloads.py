"""Payloads above SQS's limit: kept in S3 in the format of Amazon's Extended Client libraries.

The SQS body is then a pointer, and the message attribute ``ExtendedPayloadSize`` says so::

    ["software.amazon.payloadoffloading.PayloadS3Pointer",
     {"s3BucketName": "a-bucket", "s3Key": "a-key"}]
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...exceptions import (
    MessageDecodeError,
    MessageEncodeError,
    PayloadNotWritten,
    PayloadUnavailable,
)
from ...logs import get_logger
from ...printable import NAME, line, quoted
from ...quotas import MAX_MESSAGE_BYTES, size_of
from ..sqs.s3_answers import S3_ERRORS
from .objects import MAX_OBJECT_BYTES, read_beginning, read_object, url_of

logger = get_logger(__name__)

POINTER_CLASS = "software.amazon.payloadoffloading.PayloadS3Pointer"
#: What the 1.x libraries wrote.
OLD_POINTER_CLASS = "com.amazon.sqs.javamessaging.MessageS3Pointer"
SIZE_ATTRIBUTE = "ExtendedPayloadSize"
OLD_SIZE_ATTRIBUTE = "SQSLargePayloadSize"
SIZE_ATTRIBUTES = (SIZE_ATTRIBUTE, OLD_SIZE_ATTRIBUTE)
#: What the keys of payloads begin with; a random UUID follows.
PREFIX = "django-sqs/"

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where in S3 a payload is."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return url_of(self.bucket, self.key)


class LargePayloads:
    """Moves payloads to S3 and back.

    Whoever may write to the queue may name any object: read and deleted is only what has a
    key of our form, *prefix* and a UUID, or a UUID alone, as the Extended Clients write it.

    :param bucket: the bucket; None: payloads above the limit are an error, pointers of others are
        bodies like any, and messages with one of this library wait for somebody who has a bucket.
    :param client: returns the S3 client.
    :param prefix: what the keys begin with.
    :param max_bytes: what is larger is neither written nor read.
    """

    def __init__(
        self,
        bucket: str | None,
        client: Callable[[], Any],
        prefix: str = PREFIX,
        max_bytes: int = MAX_OBJECT_BYTES,
    ) -> None:
        self._bucket = bucket
        self._client = client
        self._prefix = prefix
        self._max_bytes = max_bytes

    def offload(self, params: dict[str, Any]) -> dict[str, Any]:
        """*params* of SendMessage, their body in S3 where it is too large for SQS.

        :raises PayloadNotWritten: S3 did not take it.
        :raises MessageEncodeError: no receiver would read it.
        """
        if self._bucket is None or size_of(params) <= MAX_MESSAGE_BYTES:
            return params
        self.check(params)
        body = params["MessageBody"].encode()
        key = f"{self._prefix}{uuid.uuid4()}"
        try:
            self._client().put_object(Bucket=self._bucket, Key=key, Body=body)
        except S3_ERRORS as exc:
            raise PayloadNotWritten(
                f"A payload of {len(body):,} bytes cannot be written to bucket "
                f"{self._bucket!r}: {exc}"
            ) from exc
        attributes = dict(params.get("MessageAttributes") or {})
        attributes[SIZE_ATTRIBUTE] = {"DataType": "Number", "StringValue": str(len(body))}
        pointer = json.dumps([POINTER_CLASS, {"s3BucketName": self._bucket, "s3Key": key}])
        return {**params, "MessageBody": pointer, "MessageAttributes": attributes}

    def check(self, params: Mapping[str, Any]) -> None:
        """Raise :class:`MessageEncodeError` for a payload that no receiver would read."""
        if size_of(params) <= MAX_MESSAGE_BYTES:
            return
        size = len(params["MessageBody"].encode())
        if size > self._max_bytes:
            raise MessageEncodeError(
                f"A payload of {size:,} bytes exceeds the {self._max_bytes:,} that receivers read "
                "(transport option large_payload_max_bytes). Send a BigMessage."
            )

    def body(self, message: Mapping[str, Any]) -> str:
        """The body of a received message, from S3 where it is kept there.

        It is to be read before the message is deleted: :meth:`delete` then deletes it.

        :raises MessageDecodeError: the object is gone, too large, or not one of ours.
        :raises PayloadUnavailable: S3 cannot be asked now.
        """
        pointer = self.pointer(message)
        if pointer is None:
            if (unread := self._without_bucket(message)) is not None:
                raise PayloadUnavailable(
                    f"The payload {unread} is not read: no bucket for large payloads is set here "
                    "(SQS_LARGE_PAYLOAD_BUCKET, transport option large_payload_bucket)"
                )
            return str(message.get("Body", ""))
        says = self._readable(pointer)
        content = read_object(
            self._client(), pointer.bucket, pointer.key, self._max_bytes, says=says
        )
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise MessageDecodeError(f"{says}: it is not UTF-8 text") from None

    def size(self, message: Mapping[str, Any]) -> int:
        """Bytes of the body of a received message, of one in S3 as its sender says."""
        if self.pointer(message) is not None:
            for name in SIZE_ATTRIBUTES:
                says = str(message["MessageAttributes"].get(name, {}).get("StringValue"))
                if says.isdecimal():
                    return min(int(says), self._max_bytes)
        return len(str(message.get("Body", "")))

    def beginning(self, message: Mapping[str, Any], count: int) -> str:
        """The first *count* bytes of the body, as text, for a person who looks at a queue.

        :raises MessageDecodeError: the object is gone, or not one of ours.
        :raises PayloadUnavailable: S3 cannot be asked now.
        """
        pointer = self.pointer(message)
        if pointer is None:
            return str(message.get("Body", ""))[:count]
        says = self._readable(pointer)
        content = read_beginning(self._client(), pointer.bucket, pointer.key, count, says=says)
        return content.decode(errors="replace")

    def _readable(self, pointer: Pointer) -> str:
        """What errors about its object begin with, where it is one that is read."""
        if wrong := self._not_ours(pointer):
            raise MessageDecodeError(f"The payload is not read: {wrong}")
        return f"The payload {pointer} cannot be read"

    def delete(self, message: Mapping[str, Any]) -> None:
        """Delete the object of a message that was deleted; what fails is logged."""
        pointer = self.pointer(message)
        if pointer is None:
            return
        message_id = line(str(message.get("MessageId")), NAME)
        if wrong := self._not_ours(pointer):
            logger.warning("The payload of message %s is not deleted: %s", message_id, wrong)
            return
        try:
            self._client().delete_object(Bucket=pointer.bucket, Key=pointer.key)
        except S3_ERRORS as exc:
            logger.warning(
                "The payload %s of message %s was not deleted, although the message is done: %s",
                pointer,
                message_id,
                line(str(exc)),
            )

    def pointer(self, message: Mapping[str, Any]) -> Pointer | None:
        """Where the message's payload is, if it is in S3 and a bucket was configured."""
        return None if self._bucket is None else _pointer(message)

    def has_own_body(self, message: Mapping[str, Any]) -> bool:
        """Whether the body is what SQS has, so that :meth:`body` asks nobody and does not fail."""
        return self.pointer(message) is None and self._without_bucket(message) is None

    def _without_bucket(self, message: Mapping[str, Any]) -> Pointer | None:
        """Where the payload is that this library has put there, where no bucket is set here."""
        if self._bucket is not None or (pointer := _pointer(message)) is None:
            return None
        is_ours = pointer.key.startswith(self._prefix) and self._has_our_form(pointer)
        return pointer if is_ours else None

    def _not_ours(self, pointer: Pointer) -> str | None:
        """Why the object of *pointer* is none of ours, if so."""
        if pointer.bucket != self._bucket:
            return (
                f"it is in bucket {quoted(pointer.bucket, NAME)}, not in {self._bucket!r}, the "
                "bucket for large payloads"
            )
        if not self._has_our_form(pointer):
            return (
                f"its key {quoted(pointer.key, NAME)} is neither {self._prefix!r} and a UUID, as "
                "this library writes it, nor a UUID"
            )
        return None

    def _has_our_form(self, pointer: Pointer) -> bool:
        return _UUID.fullmatch(pointer.key.removeprefix(self._prefix)) is not None


def _pointer(message: Mapping[str, Any]) -> Pointer | None:
    attributes = message.get("MessageAttributes")
    if not attributes:
        return None
    if SIZE_ATTRIBUTE not in attributes and OLD_SIZE_ATTRIBUTE not in attributes:
        return None
    return _read(message.get("Body"))


def is_pointer(body: str) -> bool:
    """Whether a body says where in S3 a payload is."""
    return _read(body) is not None


def _read(body: Any) -> Pointer | None:
    try:
        name, place = json.loads(body)
        bucket, key = place["s3BucketName"], place["s3Key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    known = name in (POINTER_CLASS, OLD_POINTER_CLASS)
    if not (known and isinstance(bucket, str) and isinstance(key, str)):
        return None
    return Pointer(bucket, key)
