"""The names that ``django_sqs`` has for everybody."""

from django_sqs_kombu.exceptions import RestartLater, SQSError, TimedOut, UnknownSuffixWarning
from django_sqs_kombu.working import Retry, exponential

from .registered_queue import ReceiverProxy, RegisteredQueue
from .registry import receivers

__all__ = [
    "ReceiverProxy",
    "RegisteredQueue",
    "RestartLater",
    "Retry",
    "SQSError",
    "TimedOut",
    "UnknownSuffixWarning",
    "asend",
    "exponential",
    "queues",
    "receiver",
    "receivers",
    "register",
    "send",
    "send_many",
]

#: The registered queues by name.
queues = receivers.queues
register = receivers.register
receiver = receivers.receiver
send = receivers.send
asend = receivers.asend
send_many = receivers.send_many
