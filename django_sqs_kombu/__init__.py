"""Receivers for Amazon SQS on Kombu, without Django."""

from kombu.transport import TRANSPORT_ALIASES

from .aws_lambda import lambda_handler
from .drops import MessageCancelled, MessageDropped, MessageExpired
from .exceptions import (
    AccessDenied,
    BatchDropped,
    BatchFailed,
    BatchFailure,
    BatchInterrupted,
    ClockIsOff,
    ConfigurationError,
    Continue,
    CredentialsMissing,
    EndpointUnreachable,
    EnvironmentFailure,
    MessageDecodeError,
    MessageEncodeError,
    MessageTargetMissing,
    MessageTooLarge,
    NoReceiver,
    PayloadUnavailable,
    QueueDoesNotExist,
    QueueNameError,
    QueueNotPredefined,
    RequestFailed,
    RestartLater,
    SendFailure,
    SendManyFailed,
    SQSError,
    TimedOut,
    UnknownQueue,
    UnknownSuffixWarning,
    WrongMessageClass,
)
from .messages.base import RawMessage
from .messages.boto import EncodedMHMessage, JSONMessage, Message, MHMessage
from .messages.s3 import BigMessage
from .registration.batch import Batch
from .registration.proxy import ReceiverProxy
from .registration.queue import RegisteredQueue
from .registration.receivers import Receivers
from .transport.sqs.pauses import Pause
from .working.breaker import Breaker
from .working.consumer import ReceiverConsumer
from .working.failure import Failure
from .working.going_on import cursor, stopping
from .working.middleware import Admission, Middleware
from .working.policy import Policy
from .working.retry import Retry, exponential
from .working.tickets import CacheTickets, Ticket, TicketStore

__all__ = [
    "AccessDenied",
    "Admission",
    "Batch",
    "BatchDropped",
    "BatchFailed",
    "BatchFailure",
    "BatchInterrupted",
    "BigMessage",
    "Breaker",
    "CacheTickets",
    "ClockIsOff",
    "ConfigurationError",
    "Continue",
    "CredentialsMissing",
    "EncodedMHMessage",
    "EndpointUnreachable",
    "EnvironmentFailure",
    "Failure",
    "JSONMessage",
    "MHMessage",
    "Message",
    "MessageCancelled",
    "MessageDecodeError",
    "MessageDropped",
    "MessageEncodeError",
    "MessageExpired",
    "MessageTargetMissing",
    "MessageTooLarge",
    "Middleware",
    "NoReceiver",
    "Pause",
    "PayloadUnavailable",
    "Policy",
    "QueueDoesNotExist",
    "QueueNameError",
    "QueueNotPredefined",
    "RawMessage",
    "ReceiverConsumer",
    "ReceiverProxy",
    "Receivers",
    "RegisteredQueue",
    "RequestFailed",
    "RestartLater",
    "Retry",
    "SQSError",
    "SendFailure",
    "SendManyFailed",
    "Ticket",
    "TicketStore",
    "TimedOut",
    "UnknownQueue",
    "UnknownSuffixWarning",
    "WrongMessageClass",
    "cursor",
    "exponential",
    "lambda_handler",
    "stopping",
]

# A new name beside kombu's own; "sqs://" stays kombu's transport.
TRANSPORT_ALIASES.setdefault("sqs-batch", "django_sqs_kombu.transport:Transport")
