"""The names that ``django_sqs`` has for everybody."""

from django_sqs_kombu.exceptions import (
    Continue,
    RestartLater,
    SQSError,
    TimedOut,
    UnknownSuffixWarning,
)
from django_sqs_kombu.working import Breaker, Retry, cursor, exponential, stopping

from .registered_queue import ReceiverProxy, RegisteredQueue
from .registry import receivers

__all__ = [
    "Breaker",
    "Continue",
    "ReceiverProxy",
    "RegisteredQueue",
    "RestartLater",
    "Retry",
    "SQSError",
    "TimedOut",
    "UnknownSuffixWarning",
    "asend",
    "batch",
    "cursor",
    "exponential",
    "queues",
    "receiver",
    "receivers",
    "register",
    "send",
    "send_many",
    "stopping",
]

#: The registered queues by name.
queues = receivers.queues
register = receivers.register
receiver = receivers.receiver
send = receivers.send
asend = receivers.asend
batch = receivers.batch
send_many = receivers.send_many
