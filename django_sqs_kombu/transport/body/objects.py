"""Objects in S3, read with a bound, and told what is gone from what cannot be read now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from ...exceptions import MessageDecodeError, PayloadUnavailable
from ...printable import NAME, cause, line
from ..sqs.failures import error_code
from ..sqs.s3_answers import S3_ERRORS

#: The largest object that is read, unless an option says otherwise: it is held in memory.
MAX_OBJECT_BYTES = 256 * 1024 * 1024
#: What S3 says of an object that is not there; with ListBucket allowed, or it says AccessDenied.
#: A 404 that says nothing of the kind is of something else, such as a proxy.
NO_OBJECT = "NoSuchKey"
#: The same of a bucket.  If it is one that the receiver was configured with, the configuration, the
#: endpoint or the bucket is wrong, and no message.
NO_BUCKET = "NoSuchBucket"
#: A lease is renewed with more to spare than two such waits take.
CLIENT_CONFIG: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 5,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}


def url_of(bucket: str, key: str) -> str:
    """The URL of an object, for logs and errors."""
    return line(f"s3://{bucket}/{key}", NAME)


def read_object(
    client: Any, bucket: str, key: str, max_bytes: int, *, says: str, configured: bool = True
) -> bytes:
    """The content of an object of at most *max_bytes*; of a larger one nothing is read.

    :param says: what the errors begin with.
    :param configured: whether the receiver expects the bucket to exist; otherwise only the message
        names it.
    :raises MessageDecodeError: it is gone, or too large.
    :raises PayloadUnavailable: S3 cannot be asked now.
    """
    with _told(says, configured=configured):
        answer = client.get_object(Bucket=bucket, Key=key)
        size = answer.get("ContentLength")
        if size is None:
            return _read_unannounced(answer, max_bytes, says)
        if size > max_bytes:
            answer["Body"].close()
            raise MessageDecodeError(
                f"{says}: it has {size:,} bytes, more than the {max_bytes:,} that are read"
            )
        content: bytes = answer["Body"].read()
    return content


def _read_unannounced(answer: dict[str, Any], max_bytes: int, says: str) -> bytes:
    """The content of an object whose size, which S3 always says, a proxy has left out."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    with closing(answer["Body"]) as body:
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            # Its end is that of the connection, which may have been cut.
            raise PayloadUnavailable(f"{says}: the answer does not say how many bytes it has")
        content: bytes = body.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise MessageDecodeError(f"{says}: it has more than the {max_bytes:,} bytes that are read")
    return content


def read_beginning(client: Any, bucket: str, key: str, count: int, *, says: str) -> bytes:
    """The first *count* bytes of an object, or all where it has fewer; errors as of read_object."""
    with _told(says):
        answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{count - 1}")
        # A server that knows no ranges sends all of it.
        content: bytes = answer["Body"].read(count)
        answer["Body"].close()
    return content


@contextmanager
def _told(says: str, *, configured: bool = True) -> Iterator[None]:
    try:
        yield
    except ParamValidationError as exc:
        raise MessageDecodeError(f"{says}: {line(str(exc), NAME)}") from cause(exc)
    except (*S3_ERRORS, OSError) as exc:
        code = error_code(exc) if isinstance(exc, ClientError) else None
        if code == NO_OBJECT or (code == NO_BUCKET and not configured):
            raise MessageDecodeError(f"{says}: it does not exist any more") from cause(exc)
        if code == "AccessDenied" and "kms:" in str(exc):
            says += (
                " (allow kms:Decrypt for the bucket's key, in the IAM policy and in the key's own)"
            )
        elif code == "AccessDenied":
            says += " (allow s3:GetObject, and s3:ListBucket, without which S3 denies what is gone)"
        raise PayloadUnavailable(f"{says}: {exc}") from cause(exc)
