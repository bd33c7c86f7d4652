"""BigMessage: the body is a file in S3, the message its s3:// URL."""

from __future__ import annotations

import io
import logging
import uuid
from typing import Any, ClassVar

import boto3
import kombu
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from ..exceptions import MessageDecodeError, MessageEncodeError, PayloadUnavailable
from ..transport.body.payloads import GONE
from ..transport.sqs.failures import error_code
from .base import RawMessage

logger = logging.getLogger(__name__)


class BigMessage(RawMessage):
    """A payload of any size, kept in S3; the SQS body is ``s3://bucket/key``.

    :param body: a binary file object, bytes or text.
    :param s3_url: ``s3://bucket`` to upload the body there under a new key when the
        message is sent, or ``s3://bucket/key`` of an object that is there already.

    A received message's body is the object's bytes.  :meth:`delete`, which also
    follows a receiver that returned, removes the object and the message.

    Subclasses give the S3 client its options in :attr:`s3_options`.
    """

    #: Keyword arguments of ``boto3.client("s3", ...)``, such as ``endpoint_url``.
    s3_options: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, queue: kombu.Queue | None = None, body: Any = None, s3_url: str | None = None
    ) -> None:
        self.s3_url = s3_url
        super().__init__(queue, body)

    def encode(self, value: Any) -> str:
        """Upload *value* where :attr:`s3_url` names a bucket alone, and return the URL.

        :raises MessageEncodeError: it cannot be read (a file) or written to S3.
        """
        if not self.s3_url:
            raise MessageEncodeError("BigMessage needs s3_url='s3://bucket' to know where to go")
        bucket, key = self._bucket_and_key(self.s3_url, MessageEncodeError)
        if key:
            return self.s3_url
        if value is None:
            raise MessageEncodeError("BigMessage needs a body to upload, or an s3_url with a key")
        data = value.encode() if isinstance(value, str) else value
        key = str(uuid.uuid4())
        try:
            self._client().upload_fileobj(
                io.BytesIO(data) if isinstance(data, bytes) else data, bucket, key
            )
        except (BotoCoreError, ClientError, OSError) as exc:
            raise MessageEncodeError(f"BigMessage cannot write s3://{bucket}/{key}: {exc}") from exc
        self.s3_url = f"s3://{bucket}/{key}"
        return self.s3_url

    def decode(self, value: str) -> bytes:
        """The bytes of the object that *value* names.

        :raises MessageDecodeError: *value* names no object, or one that is gone.
        :raises PayloadUnavailable: S3 cannot be asked now.
        """
        bucket, key = self._bucket_and_key(value, MessageDecodeError)
        if not key:
            raise MessageDecodeError(f"BigMessage: {value!r} names no object, only a bucket")
        self.s3_url = value
        try:
            data: bytes = self._client().get_object(Bucket=bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError, OSError) as exc:
            gone = isinstance(exc, ClientError) and error_code(exc) in GONE
            never = gone or isinstance(exc, ParamValidationError)
            kind = MessageDecodeError if never else PayloadUnavailable
            raise kind(f"BigMessage cannot read {value}: {exc}") from exc
        return data

    def __len__(self) -> int:
        """The length of the URL, in characters; 0 before it is known."""
        return len(self.s3_url or "")

    def delete(self) -> None:
        """Delete the object in S3, then the message; an object that stays is logged."""
        if self.s3_url:
            bucket, key = self._bucket_and_key(self.s3_url, MessageDecodeError)
            try:
                self._client().delete_object(Bucket=bucket, Key=key)
            except (BotoCoreError, ClientError) as exc:
                # The message is done; received again, it would be done twice.
                logger.warning("%s, whose message is done, was not deleted: %s", self.s3_url, exc)
        super().delete()

    def _client(self) -> Any:
        return boto3.client("s3", **self._client_options())

    def _client_options(self) -> dict[str, Any]:
        return self.s3_options

    @staticmethod
    def _bucket_and_key(url: str, error: type[Exception]) -> tuple[str, str]:
        if not url.startswith("s3://"):
            raise error(f"BigMessage: {url!r} is no s3:// URL")
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise error(f"BigMessage: {url!r} names no bucket")
        return bucket, key
