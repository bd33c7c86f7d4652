"""Bodies: messages that cannot be written, sent as they are, or read."""

from __future__ import annotations

from .base import EnvironmentFailure, SQSError


class WrongMessageClass(SQSError, ValueError):
    """A message was sent that is not of the queue's message class."""

    def __init__(self, queue: str, message: object, expected: type) -> None:
        super().__init__(
            f"{message!r} is not an instance of {expected.__module__}.{expected.__qualname__}, "
            f"the message class of queue {queue!r}. To send a value, give it as body=..."
        )
        self.queue = queue
        self.expected = expected


class MessageEncodeError(SQSError, ValueError):
    """A value that its message class cannot write."""


class MessageDecodeError(SQSError, ValueError):
    """A body that its message class cannot read.

    :ivar kind: the class of the exception while reading it, if that says nothing about the body
        itself; its cause may be temporary, such as an unavailable database.
    """

    def __init__(self, text: str = "", *, kind: type[BaseException] | None = None) -> None:
        super().__init__(text)
        self.kind = kind


class PayloadUnavailable(EnvironmentFailure):
    """A payload in S3 cannot be read at the moment; its message is tried again later."""


class MessageTargetMissing(MessageDecodeError):
    """What a message refers to does not exist (yet): a row, a model, a function.

    Another process, or a version of the program that is being rolled out, may have it, so the
    message is tried again for a few receives before it counts as a failure.
    """


class MessageTooLarge(MessageEncodeError):
    """A message over the limit of SQS (1 MiB), found before any request.

    :ivar size: its size in bytes.
    :ivar limit: the limit in bytes.
    """

    def __init__(self, queue: str, size: int, limit: int) -> None:
        super().__init__(
            f"A message of {size:,} bytes for queue {queue!r} exceeds SQS's limit ({limit:,} "
            "bytes). Set a bucket for large payloads (SQS_LARGE_PAYLOAD_BUCKET, transport option "
            "large_payload_bucket), or send a reference, as BigMessage does."
        )
        self.queue = queue
        self.size = size
        self.limit = limit


class PayloadNotWritten(MessageEncodeError, EnvironmentFailure):
    """A payload that S3 did not accept: nothing is wrong with its message."""
