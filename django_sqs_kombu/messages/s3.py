"""BigMessage: the body is a file in S3, the message its s3:// URL."""

from __future__ import annotations

import io
import math
import uuid
from collections.abc import Collection
from typing import Any, ClassVar

import boto3
import kombu
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from ..exceptions import (
    ConfigurationError,
    MessageDecodeError,
    MessageEncodeError,
    PayloadUnavailable,
)
from ..logs import get_logger
from ..printable import NAME, cause, line, quoted
from ..rules import bucket, shown
from ..transport.body.objects import CLIENT_CONFIG, MAX_OBJECT_BYTES, read_object, url_of
from ..transport.sqs.s3_answers import S3_ERRORS, refuse_other_answers
from ..transport.sqs.waits import bound_waits, left
from .base import RawMessage

logger = get_logger(__name__)


class _KeptOpen:
    """A file that boto3 does not close when it has read it: it may be read again."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Do nothing: it is its owner's to close."""


def _is_in(place: Any) -> bool:
    """Whether it is a bucket, or a part of one."""
    name = place.partition("/")[0] if isinstance(place, str) else ""
    return bool(name) and bucket(name) is None


class BigMessage(RawMessage):
    """A payload in S3, of up to :attr:`max_bytes`; the SQS body is ``s3://bucket/key``.

    :param body: a binary file object, bytes or text.
    :param s3_url: ``s3://bucket`` to upload the body there under a new key when the
        message is sent, or ``s3://bucket/key`` of an object that already exists.

    A received message's body is the object's bytes.  :meth:`delete`, which is also
    called when a receiver has returned, removes the object and the message.  So a message that
    is sent once more, to another queue for instance, is uploaded once more.

    Subclasses set the S3 client's options in :attr:`s3_options`, and in
    :attr:`buckets` which objects a message may name: otherwise anyone who may write to the queue
    can have any object read and deleted that the receiver's credentials can reach.
    """

    #: The buckets (``"videos"``), or parts of them (``"videos/incoming/"``), that a message
    #: may name; None: any.
    buckets: ClassVar[Collection[str] | None] = None
    #: What is larger is not read, since it is held in memory.
    max_bytes: ClassVar[int] = MAX_OBJECT_BYTES
    #: Keyword arguments of ``boto3.client("s3", ...)``, such as ``endpoint_url``.
    s3_options: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse :attr:`buckets` that no message could name.

        :raises ConfigurationError: they are one text, or URLs.
        """
        super().__init_subclass__(**options)
        named: Any = cls.buckets
        several = named if isinstance(named, Collection) else ()
        if isinstance(named, str) or not all(map(_is_in, several)):
            raise ConfigurationError(
                f"{cls.__qualname__}.buckets must be a list of buckets, or parts of them, such as "
                f"['videos', 'videos/incoming/'], without 's3://', not {shown(named)}"
            )

    def __init__(
        self, queue: kombu.Queue | None = None, body: Any = None, s3_url: str | None = None
    ) -> None:
        self.s3_url = s3_url
        #: The URL of an object that goes with a message: with the one that was received, or that
        #: was sent before, or may have been.
        self._taken: str | None = None
        self._is_received = self._is_renewed = False
        #: How often it was made ready to be sent since SQS certainly had none of these.
        self._sendings = 0
        #: Whether that object goes with none after all.
        self._is_free = False
        #: Where a file began when it was first read; None: it has not been.
        self._start: int | None = None
        super().__init__(queue, body)

    def begin_sending(self) -> None:
        """Have the body uploaded again if its object goes with another message."""
        goes = self._taken is not None and self.s3_url == self._taken
        self._is_renewed, self._is_free = goes and not self._is_free, False
        self._sendings += 1

    def end_unsent(self) -> None:
        """Keep its object for the next time that it is sent."""
        # Of several sendings it is not known whose object that is.
        if not self._is_received and self._sendings == 1:
            self._sendings, self._is_free = 0, True

    def encode(self, value: Any) -> str:
        """Upload *value* if :attr:`s3_url` only names a bucket, and return the URL.

        :raises MessageEncodeError: *value* cannot be read (a file) or written to S3.
        """
        if not self.s3_url:
            raise MessageEncodeError(
                "BigMessage needs s3_url='s3://bucket', to which its body is uploaded"
            )
        bucket, key = self._bucket_and_key(self.s3_url, MessageEncodeError)
        if key and not self._is_renewed:
            return self.s3_url
        if value is None:
            raise MessageEncodeError("BigMessage needs a body to upload, or an s3_url with a key")
        data = value.encode() if isinstance(value, str) else value
        if isinstance(data, bytes) and len(data) > self.max_bytes:
            raise MessageEncodeError(
                f"A BigMessage of {len(data):,} bytes exceeds the {self.max_bytes:,} bytes that "
                "its receiver reads (max_bytes of its class)"
            )
        key = f"{self._prefix(bucket)}{uuid.uuid4()}"
        try:
            # In threads of its own it would know nothing of the time that is left.
            few = TransferConfig(use_threads=left() == math.inf)
            file = io.BytesIO(data) if isinstance(data, bytes) else self._from_start(data)
            self._client().upload_fileobj(file, bucket, key, Config=few)
        except (*S3_ERRORS, OSError) as exc:
            raise MessageEncodeError(
                f"BigMessage cannot write {url_of(bucket, key)}: {exc}"
            ) from exc
        url = f"s3://{bucket}/{key}"
        self._is_renewed = False
        if not self._is_received:
            # Else it would delete that of the message which was sent.
            self.s3_url = self._taken = url
        return url

    def _from_start(self, file: Any) -> Any:
        """*file* where it began when it was first read: at its end an upload would be empty.

        :raises MessageEncodeError: it cannot be read again.
        """
        try:
            if self._start is not None:
                file.seek(self._start)
            else:
                self._start = file.tell()
        except (AttributeError, OSError, ValueError) as exc:
            # One that has no places, or that its owner has closed.
            if self._start is not None:
                raise MessageEncodeError(
                    "BigMessage cannot be sent again: its object goes with a message that was, or "
                    "may have been, sent before, and its file cannot be read again "
                    f"({line(str(exc))}). Make another BigMessage, or give the body as bytes."
                ) from cause(exc)
            self._start = 0
        return _KeptOpen(file)

    def decode(self, value: str) -> bytes:
        """Return the bytes of the object that *value* names.

        :raises MessageDecodeError: *value* does not name an object, or one that is gone, too large,
            or not in :attr:`buckets`.
        :raises PayloadUnavailable: S3 cannot be reached now.
        """
        bucket, key = self._bucket_and_key(value, MessageDecodeError)
        if not key:
            raise MessageDecodeError(
                f"BigMessage: {quoted(value, NAME)} names a bucket, but no object in it"
            )
        try:
            client = self._client()
        except Exception as exc:  # noqa: BLE001 - its options' fault or the machine's, not the message's
            raise PayloadUnavailable(
                f"BigMessage cannot read {url_of(bucket, key)}: no S3 client can be created:  "
                f"{line(str(exc))}"
            ) from cause(exc)
        data = read_object(
            client,
            bucket,
            key,
            self.max_bytes,
            says=f"BigMessage cannot read {url_of(bucket, key)}",
            configured=self.buckets is not None,
        )
        self.s3_url = self._taken = value
        self._is_received = True
        return data

    def __len__(self) -> int:
        """The length of the URL, in characters; 0 before it is known."""
        return len(self.s3_url or "")

    def delete(self) -> None:
        """Delete the object in S3, then the message; an object that remains is logged."""
        if self.s3_url:
            bucket, key = self._bucket_and_key(self.s3_url, MessageDecodeError)
            try:
                self._client().delete_object(Bucket=bucket, Key=key)
            except S3_ERRORS as exc:
                # The message is done; received again, it would be done twice.
                logger.warning(
                    "%s was not deleted, although its message is done: %s",
                    url_of(bucket, key),
                    line(str(exc)),
                )
        super().delete()

    def _client(self) -> Any:
        options = self._client_options()
        config = Config(**CLIENT_CONFIG)
        if given := options.get("config"):
            config = config.merge(given)
        client = boto3.client("s3", **{**options, "config": config})
        bound_waits(client)
        refuse_other_answers(client)
        return client

    def _client_options(self) -> dict[str, Any]:
        return self.s3_options

    def _bucket_and_key(self, url: str, error: type[Exception]) -> tuple[str, str]:
        if not url.startswith("s3://"):
            raise error(f"BigMessage: {quoted(url, NAME)} is not an s3:// URL")
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise error(f"BigMessage: {quoted(url, NAME)} names no bucket")
        if not self._may_name(bucket, key):
            raise error(f"BigMessage: {quoted(url, NAME)} is not in {type(self).__name__}.buckets")
        return bucket, key

    def _may_name(self, bucket: str, key: str) -> bool:
        if self.buckets is None:
            return True
        for allowed in self.buckets:
            name, _, prefix = allowed.partition("/")
            # A bucket alone, to upload to: the new key goes below the prefix.
            if bucket == name and (not key or key.startswith(prefix)):
                return True
        return False

    def _prefix(self, bucket: str) -> str:
        """What the key of a new object in *bucket* begins with."""
        prefixes = [
            prefix
            for name, _, prefix in (allowed.partition("/") for allowed in self.buckets or ())
            if name == bucket
        ]
        return "" if "" in prefixes or not prefixes else prefixes[0]
