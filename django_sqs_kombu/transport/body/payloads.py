"""Payloads above SQS's limit: kept in S3 in the format of Amazon's Extended Client libraries.

The SQS body is then a pointer, and the message attribute ``ExtendedPayloadSize`` says so::

    ["software.amazon.payloadoffloading.PayloadS3Pointer",
     {"s3BucketName": "a-bucket", "s3Key": "a-key"}]
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...exceptions import MessageDecodeError, MessageEncodeError, PayloadUnavailable
from ...quotas import MAX_MESSAGE_BYTES, size_of
from ..sqs.failures import error_code

logger = logging.getLogger(__name__)

POINTER_CLASS = "software.amazon.payloadoffloading.PayloadS3Pointer"
#: What the 1.x libraries wrote.
OLD_POINTER_CLASS = "com.amazon.sqs.javamessaging.MessageS3Pointer"
SIZE_ATTRIBUTE = "ExtendedPayloadSize"
OLD_SIZE_ATTRIBUTE = "SQSLargePayloadSize"
GONE = frozenset({"NoSuchKey", "NoSuchBucket", "404"})


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where in S3 a payload is."""

    bucket: str
    key: str


class LargePayloads:
    """Moves payloads to S3 and back.

    :param bucket: the bucket; None: payloads above the limit are an error, and pointers
        are not followed.
    :param client: returns the S3 client.
    """

    def __init__(self, bucket: str | None, client: Callable[[], Any]) -> None:
        self._bucket = bucket
        self._client = client

    def offload(self, params: dict[str, Any]) -> dict[str, Any]:
        """*params* of SendMessage, their body in S3 where it is too large for SQS.

        :raises MessageEncodeError: S3 did not take it.
        """
        if self._bucket is None or size_of(params) <= MAX_MESSAGE_BYTES:
            return params
        body = params["MessageBody"].encode()
        key = str(uuid.uuid4())
        try:
            self._client().put_object(Bucket=self._bucket, Key=key, Body=body)
        except (BotoCoreError, ClientError) as exc:
            raise MessageEncodeError(
                f"A payload of {len(body):,} bytes cannot be written to bucket "
                f"{self._bucket!r}: {exc}"
            ) from exc
        attributes = dict(params.get("MessageAttributes") or {})
        attributes[SIZE_ATTRIBUTE] = {"DataType": "Number", "StringValue": str(len(body))}
        pointer = json.dumps([POINTER_CLASS, {"s3BucketName": self._bucket, "s3Key": key}])
        return {**params, "MessageBody": pointer, "MessageAttributes": attributes}

    def body(self, message: Mapping[str, Any]) -> str:
        """The body of a received message, from S3 where it is kept there.

        :raises MessageDecodeError: the object is gone, or in a bucket that is not ours.
        :raises PayloadUnavailable: S3 cannot be asked now.
        """
        body = str(message.get("Body", ""))
        pointer = self.pointer(message)
        if pointer is None:
            return body
        if pointer.bucket != self._bucket:
            # Whoever may write to the queue must not choose what we read.
            raise MessageDecodeError(
                f"The payload is in bucket {pointer.bucket!r}, not in {self._bucket!r}, the "
                "bucket for large payloads; it is not read"
            )
        try:
            answer = self._client().get_object(Bucket=pointer.bucket, Key=pointer.key)
            return str(answer["Body"].read().decode())
        except ClientError as exc:
            if error_code(exc) in GONE:
                raise MessageDecodeError(
                    f"The payload s3://{pointer.bucket}/{pointer.key} is gone"
                ) from exc
            raise PayloadUnavailable(
                f"The payload s3://{pointer.bucket}/{pointer.key} cannot be read: {exc}"
            ) from exc
        except (BotoCoreError, OSError) as exc:
            raise PayloadUnavailable(
                f"The payload s3://{pointer.bucket}/{pointer.key} cannot be read: {exc}"
            ) from exc
        except UnicodeDecodeError as exc:
            raise MessageDecodeError(
                f"The payload s3://{pointer.bucket}/{pointer.key} is no UTF-8 text"
            ) from exc

    def delete(self, message: Mapping[str, Any]) -> None:
        """Delete the object of a message that was deleted; what fails is logged."""
        pointer = self.pointer(message)
        if pointer is None or pointer.bucket != self._bucket:
            return
        try:
            self._client().delete_object(Bucket=pointer.bucket, Key=pointer.key)
        except (BotoCoreError, ClientError) as exc:
            logger.warning(
                "The payload s3://%s/%s of message %s, which is done, was not deleted: %s",
                pointer.bucket,
                pointer.key,
                message.get("MessageId"),
                exc,
            )

    def pointer(self, message: Mapping[str, Any]) -> Pointer | None:
        """Where the message's payload is, if it is in S3 and a bucket was configured."""
        attributes = message.get("MessageAttributes") or {}
        if self._bucket is None or not ({SIZE_ATTRIBUTE, OLD_SIZE_ATTRIBUTE} & set(attributes)):
            return None
        try:
            name, place = json.loads(message["Body"])
            if name not in (POINTER_CLASS, OLD_POINTER_CLASS):
                return None
            return Pointer(str(place["s3BucketName"]), str(place["s3Key"]))
        except (ValueError, TypeError, KeyError):
            return None
