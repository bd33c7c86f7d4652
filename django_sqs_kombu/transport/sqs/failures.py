"""What botocore's errors mean: each becomes one clear exception of ours."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError

from ...exceptions import (
    AccessDenied,
    ClockIsOff,
    CredentialsMissing,
    EndpointUnreachable,
    QueueDoesNotExist,
    RequestFailed,
    TimedOut,
)
from ...printable import NAME, cause, line
from .abort import RequestAborted
from .certificates import from_environment
from .clock import seconds_off
from .files import HOW_TO_RAISE, NONE_LEFT, is_none_left
from .request_ids import named

#: Codes are compared without what stands before a dot or a "#", such as
#: "AWS.SimpleQueueService." or "com.amazonaws.sqs#".
NO_SUCH_QUEUE = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
QUEUE_EXISTS = frozenset({"QueueAlreadyExists", "QueueNameExists"})
#: The receipt handle is used up: the message was deleted, or is held by someone else.
_LEASE_LOST = frozenset({"MessageNotInflight", "ReceiptHandleIsInvalid"})
_SETTLING = ("ChangeMessageVisibility", "DeleteMessage")
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "KmsAccessDenied", "NotAuthorized"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_BAD_CREDENTIALS = _EXPIRED | {
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignature",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "OptInRequired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
#: What passes by itself, besides every answer with a status of 500 and more.
_PASSING = _EXPIRED | {
    "BandwidthLimitExceeded",
    "InternalError",
    "InternalFailure",
    "KmsThrottled",
    "OverLimit",
    "PurgeQueueInProgress",
    "QueueDeletedRecently",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
#: What botocore raises where a provider of credentials failed.
_PROVIDERS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoAuthTokenError,
    SSOError,
    TokenRetrievalError,
)
#: What to do where no server answers: on this machine, and elsewhere.
_START_IT = (
    "Start a server there (manage.py sqs_local, or python -m django_sqs.local), or correct "
    "SQS_ENDPOINT_URL (or the broker URL)."
)
_NO_FILE = f"This process has as many files open as it may: raise its limit ({HOW_TO_RAISE})."
_CHECK = "Check SQS_ENDPOINT_URL (or the broker URL), the region and the network."
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
#: The code of a failure whose answer did not say what SQS's answers say.
NO_ANSWER = "NoAnswer"
#: What botocore raises, besides its own errors, over an answer that is not of the service's form.
MISSHAPEN = (
    ResponseParserError,
    AttributeError,
    LookupError,
    # Over one that is nested deeper than Python reads.
    RecursionError,
    TypeError,
    ValueError,
)
#: What SQS says of a visibility timeout with which a message would be hidden for too long.
_BEYOND = "Total VisibilityTimeout for the message is beyond the limit"
#: Characters of a server's text that an error shows.
_SHOWN = 300


def error_code(exc: ClientError) -> str:
    """The error code of SQS's answer."""
    return str(exc.response.get("Error", {}).get("Code", ""))


def bare(code: str) -> str:
    """*code* without the namespace before it."""
    return code.rpartition("#")[2].rpartition(".")[2]


def may_pass(exc: BotoCoreError | ClientError) -> bool:
    """Whether the same request may succeed a moment later: there was no answer, or no refusal."""
    if not isinstance(exc, ClientError):
        return True
    return _failed_in_sqs(exc) or bare(error_code(exc)) in _PASSING


def may_pass_soon(exc: BotoCoreError | ClientError) -> bool:
    """Whether it may succeed a moment later as it is: what has expired must be renewed before."""
    if isinstance(exc, ClientError):
        return may_pass(exc) and bare(error_code(exc)) not in _EXPIRED
    return isinstance(exc, BotoConnectionError | HTTPClientError)


def _failed_in_sqs(exc: ClientError) -> bool:
    """Whether SQS says that the request failed without its sender's fault."""
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    return bool(status >= 500)


def are_missing(failure: RequestFailed) -> bool:
    """Whether it failed since no credentials were found, which a client keeps to."""
    return failure.code == "NoCredentialsError"


def are_refused(failure: RequestFailed) -> bool:
    """Whether it failed since SQS refuses the credentials."""
    return bare(failure.code) in _BAD_CREDENTIALS


def is_denied(failure: RequestFailed) -> bool:
    """Whether it failed since a policy does not allow it."""
    return bare(failure.code) in _DENIED


def can_be_put_right(failure: RequestFailed) -> bool:
    """Whether the same request may succeed later: it was not refused for what it asks for.

    What passes does so by itself.  Keys that were exchanged are found again, a clock is set, and
    a policy is corrected by somebody, perhaps soon: it is for what is worth waiting for.
    """
    return failure.passing or are_refused(failure) or is_denied(failure)


def is_the_limit_of_holding(failure: RequestFailed) -> bool:
    """Whether SQS refused to hide a message since it would be hidden for over 12 hours in all."""
    # It has no code of its own.
    return bare(failure.code) == "InvalidParameterValue" and _BEYOND in str(failure)


def no_answer(operation: str, queue: str, why: str) -> RequestFailed:
    """The failure of a request whose answer does not say that it was done."""
    return RequestFailed(
        f"The answer to {operation} on queue {queue!r} is not from SQS: {why}",
        operation=operation,
        queue=queue,
        code=NO_ANSWER,
        passing=True,
    )


def refused(
    operation: str, queue: str, code: str, text: str, *, passing: bool = False
) -> RequestFailed:
    """What SQS's error *code* means.

    :param text: SQS's explanation, which may be a whole page.
    :param passing: whether SQS says in another way that the reason passes.
    """
    name = bare(code)
    text = line(text, _SHOWN) or code
    if name in NO_SUCH_QUEUE:
        kind: type[RequestFailed] = QueueDoesNotExist
        say = (
            f"Queue {queue!r} does not exist in SQS. Create it, or let it be created on first "
            "use (SQS_CREATE_QUEUES = True, transport option create_queues)."
        )
    elif name in _DENIED and _is_of_key(code, text):
        kind = AccessDenied
        say = (
            f"Access to the KMS key of queue {queue!r} is denied: allow kms:Decrypt, and "
            "kms:GenerateDataKey for sending, in the IAM policy and in the key's policy. "
            f"{operation}: {text}"
        )
    elif name in _DENIED:
        kind = AccessDenied
        # A batch needs no permission of its own.
        action = operation.removesuffix("Batch")
        say = f"Access denied: allow sqs:{action} on queue {queue!r} in the IAM policy. {text}"
    elif name in _BAD_CREDENTIALS:
        kind = AccessDenied
        say = f"SQS refuses the credentials for {operation} on queue {queue!r} ({code}): {text}"
    else:
        kind = RequestFailed
        say = f"{operation} on queue {queue!r} failed ({code}): {text}"
    return kind(
        say,
        operation=operation,
        queue=queue,
        code=code,
        lost=operation.startswith(_SETTLING) and _is_lost(name, text),
        # A number is the HTTP status of an answer without a code: not SQS's.
        passing=passing or name in _PASSING or not name or name.isdigit(),
    )


def _is_of_key(code: str, text: str) -> bool:
    """Whether KMS denies it: SQS says so by its code, or quotes the action that is missing."""
    return "kms" in code.lower() or "kms:" in text.lower()


def explained(
    operation: str, queue: str, endpoint: str | None = None
) -> AbstractContextManager[None]:
    """Turn botocore's errors in the block into a :class:`RequestFailed` that says what to do.

    :param operation: the API call's name, which is also the IAM action's.
    :param queue: the queue's full name.
    :param endpoint: the endpoint, where it is not AWS's own.
    """
    return _Explained(operation, queue, endpoint)


def understood(operation: str, queue: str) -> AbstractContextManager[None]:
    """Turn what botocore raises over an answer that is not of SQS's form into a failure.

    :raises RequestFailed: with the code :data:`NO_ANSWER`.
    """
    return _Understood(operation, queue)


class _Explained(AbstractContextManager[None]):
    # A class, since a generator costs three times the CPU, and each request enters one.

    __slots__ = ("_endpoint", "_operation", "_queue")

    def __init__(self, operation: str, queue: str, endpoint: str | None) -> None:
        self._operation = operation
        self._queue = queue
        self._endpoint = endpoint

    def __enter__(self) -> None:
        pass

    def __exit__(self, cls: object, exc: BaseException | None, traceback: object) -> None:
        operation, queue = self._operation, self._queue
        if isinstance(exc, ClientError):
            if exc.operation_name not in ("", operation):
                # What botocore asks before: another service for credentials.
                raise _no_credentials(exc, operation, queue) from cause(exc)
            raise named(_refusal(exc, operation, queue), exc.response) from cause(exc)
        if isinstance(exc, BotoCoreError):
            interruption = exc.kwargs.get("error") if isinstance(exc, HTTPClientError) else None
            if isinstance(interruption, TimedOut | RequestAborted):
                # botocore takes it for a fault of the network.
                raise interruption from None
            kind, text = _of_botocore(exc, operation, queue, self._endpoint)
            failure = kind(text, operation=operation, queue=queue, code=type(exc).__name__)
            raise failure from cause(exc)
        if isinstance(exc, OSError) and exc.errno in NONE_LEFT:
            text = f"{operation} on queue {queue!r} failed: {exc}. {_NO_FILE}"
            code = errno.errorcode[exc.errno]
            raise EndpointUnreachable(text, operation=operation, queue=queue, code=code) from cause(
                exc
            )
        if isinstance(exc, OSError | RuntimeError):
            # The network's errors are botocore's: this is a file or a process with credentials,
            # or credentials that are over although they were renewed.
            raise _no_credentials(exc, operation, queue) from cause(exc)


class _Understood(AbstractContextManager[None]):
    __slots__ = ("_operation", "_queue")

    def __init__(self, operation: str, queue: str) -> None:
        self._operation = operation
        self._queue = queue

    def __enter__(self) -> None:
        pass

    def __exit__(self, cls: object, exc: BaseException | None, traceback: object) -> None:
        if isinstance(exc, MISSHAPEN):
            failure = no_answer(self._operation, self._queue, line(str(exc), _SHOWN))
            raise named(failure, getattr(exc, "answer", {})) from cause(exc)


def _refusal(exc: ClientError, operation: str, queue: str) -> RequestFailed:
    code = error_code(exc)
    text = str(exc.response.get("Error", {}).get("Message") or "")
    off = seconds_off(bare(code), exc)
    if off is None:
        text = _redirection(exc) or text
        return refused(operation, queue, code, text, passing=_failed_in_sqs(exc))
    way = "ahead of" if off > 0 else "behind"
    failure = ClockIsOff(
        f"The clock of this machine is {abs(off):,.0f} seconds {way} SQS's, so SQS refuses "
        f"{operation} on queue {queue!r} ({code}). Set it, and keep it in sync with NTP.",
        operation=operation,
        queue=queue,
        code=code,
    )
    failure.seconds = off
    return failure


def _redirection(exc: ClientError) -> str | None:
    """What to do about an answer that only names another address; None: it is no such answer."""
    metadata = exc.response.get("ResponseMetadata", {})
    there = (metadata.get("HTTPHeaders") or {}).get("location")
    if not there or not 300 <= (metadata.get("HTTPStatusCode") or 0) < 400:
        return None
    # As botocore does: what is signed for one host is not sent to another.
    return (
        f"The server redirects to {line(there, NAME)}, which is not followed. Have "
        "SQS_ENDPOINT_URL (or the broker URL) name where it leads."
    )


def _of_botocore(
    exc: BotoCoreError, operation: str, queue: str, endpoint: str | None
) -> tuple[type[RequestFailed], str]:
    """What class of failure *exc* is, and what is to be said about it."""
    text = line(str(exc), _SHOWN).removesuffix(".")
    if isinstance(exc, _PROVIDERS):
        return CredentialsMissing, _credentials_text(operation, queue, text)
    if isinstance(exc, SSLError) and (bundle := from_environment()):
        text += f". Certificates are checked against {bundle[1]!r}, as {bundle[0]} says"
    if isinstance(exc, NoCredentialsError | PartialCredentialsError):
        return CredentialsMissing, (
            f"No AWS credentials for {operation} on queue {queue!r}: {text}. Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (Django settings, the broker URL or "
            "the environment), or run where boto3 finds a profile or a role."
        )
    if isinstance(exc, BotoConnectionError | HTTPClientError):
        where = endpoint or "the AWS endpoint of the region"
        fix = _START_IT if _is_local(endpoint) else _CHECK
        fix = _NO_FILE if is_none_left() else fix
        return EndpointUnreachable, (
            f"Cannot reach SQS at {where} for {operation} on queue {queue!r}: {text}. {fix}"
        )
    if isinstance(exc, ProfileNotFound):
        return CredentialsMissing, _credentials_text(operation, queue, text)
    return RequestFailed, f"{operation} on queue {queue!r} failed: {text}"


def _is_local(endpoint: str | None) -> bool:
    return endpoint is not None and urlsplit(endpoint).hostname in _THIS_MACHINE


def _no_credentials(exc: Exception, operation: str, queue: str) -> CredentialsMissing:
    text = _credentials_text(operation, queue, line(str(exc), _SHOWN))
    return CredentialsMissing(text, operation=operation, queue=queue, code=type(exc).__name__)


def _credentials_text(operation: str, queue: str, text: str) -> str:
    return (
        f"Could not get AWS credentials for {operation} on queue {queue!r}: "
        f"{text.rstrip(' .:')}. What failed is where boto3 takes them from (environment, profile "
        "or role), not SQS."
    )


def _is_lost(name: str, text: str) -> bool:
    # An expired handle of a FIFO queue is told as a wrong parameter.
    return name in _LEASE_LOST or (name == "InvalidParameterValue" and "eceipt" in text)
