"""What botocore's errors mean: each becomes one clear exception of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from ...exceptions import (
    AccessDenied,
    CredentialsMissing,
    EndpointUnreachable,
    QueueDoesNotExist,
    RequestFailed,
)

NO_SUCH_QUEUE = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "com.amazonaws.sqs#QueueDoesNotExist",
    }
)
QUEUE_EXISTS = frozenset(
    {"AWS.SimpleQueueService.QueueNameExists", "QueueAlreadyExists", "QueueNameExists"}
)
#: The receipt handle is used up: the message was deleted, or is held by someone else.
LEASE_LOST = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "KmsAccessDenied"})
_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def error_code(exc: ClientError) -> str:
    """The error code of SQS's answer."""
    return str(exc.response.get("Error", {}).get("Code", ""))


@contextmanager
def explained(operation: str, queue: str, endpoint: str | None = None) -> Iterator[None]:
    """Turn botocore's errors in the block into a :class:`RequestFailed` that says what to do.

    :param operation: the API call's name, which is also the IAM action's.
    :param queue: the queue's full name.
    :param endpoint: the endpoint, where it is not AWS's own.
    """
    try:
        yield
    except ClientError as exc:
        raise _of_answer(exc, operation, queue) from exc
    except (NoCredentialsError, PartialCredentialsError) as exc:
        raise CredentialsMissing(
            f"No AWS credentials for {operation} on queue {queue!r}: {exc}. Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (Django settings, the broker URL or "
            "the environment), or run where boto3 finds a profile or a role.",
            operation=operation,
            queue=queue,
            code=type(exc).__name__,
        ) from exc
    except (BotoConnectionError, HTTPClientError) as exc:
        where = endpoint or "the AWS endpoint of the region"
        raise EndpointUnreachable(
            f"Cannot reach SQS at {where} for {operation} on queue {queue!r}: {exc}. "
            "Check SQS_ENDPOINT_URL (or the broker URL), the region and the network.",
            operation=operation,
            queue=queue,
            code=type(exc).__name__,
        ) from exc
    except BotoCoreError as exc:
        raise RequestFailed(
            f"{operation} on queue {queue!r} failed: {exc}",
            operation=operation,
            queue=queue,
            code=type(exc).__name__,
        ) from exc


def _of_answer(exc: ClientError, operation: str, queue: str) -> RequestFailed:
    code = error_code(exc)
    text = str(exc.response.get("Error", {}).get("Message") or code)
    if code in NO_SUCH_QUEUE:
        kind: type[RequestFailed] = QueueDoesNotExist
        say = (
            f"Queue {queue!r} does not exist in SQS. Create it, or let it be created on first "
            "use (SQS_CREATE_QUEUES = True, transport option create_queues)."
        )
    elif code in _DENIED:
        kind = AccessDenied
        say = f"Access denied: allow sqs:{operation} on queue {queue!r} in the IAM policy. {text}"
    elif code in _BAD_CREDENTIALS:
        kind = AccessDenied
        say = f"SQS refuses the credentials for {operation} on queue {queue!r} ({code}): {text}"
    else:
        kind = RequestFailed
        say = f"{operation} on queue {queue!r} failed ({code}): {text}"
    return kind(say, operation=operation, queue=queue, code=code)
