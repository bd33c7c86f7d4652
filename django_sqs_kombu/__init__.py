"""Receivers for Amazon SQS on Kombu, without Django."""

from kombu.transport import TRANSPORT_ALIASES

from .big_message import BigMessage
from .consumer import ReceiverConsumer
from .exceptions import (
    AccessDenied,
    ConfigurationError,
    CredentialsMissing,
    EndpointUnreachable,
    MessageDecodeError,
    MessageEncodeError,
    MessageTooLarge,
    NoReceiver,
    PayloadUnavailable,
    QueueDoesNotExist,
    QueueNameError,
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
from .messages import EncodedMHMessage, JSONMessage, Message, MHMessage, RawMessage
from .receiver_proxy import ReceiverProxy
from .registered_queue import RegisteredQueue
from .registry import Receivers

__all__ = [
    "AccessDenied",
    "BigMessage",
    "ConfigurationError",
    "CredentialsMissing",
    "EncodedMHMessage",
    "EndpointUnreachable",
    "JSONMessage",
    "MHMessage",
    "Message",
    "MessageDecodeError",
    "MessageEncodeError",
    "MessageTooLarge",
    "NoReceiver",
    "PayloadUnavailable",
    "QueueDoesNotExist",
    "QueueNameError",
    "RawMessage",
    "ReceiverConsumer",
    "ReceiverProxy",
    "Receivers",
    "RegisteredQueue",
    "RequestFailed",
    "RestartLater",
    "SQSError",
    "SendFailure",
    "SendManyFailed",
    "TimedOut",
    "UnknownQueue",
    "UnknownSuffixWarning",
    "WrongMessageClass",
]

# A new name beside kombu's own; "sqs://" stays kombu's transport.
TRANSPORT_ALIASES.setdefault("sqs-batch", "django_sqs_kombu.transport:Transport")
