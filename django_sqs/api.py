"""The functions that ``django_sqs`` offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from django_sqs_kombu.exceptions import (
    Continue,
    RestartLater,
    SQSError,
    TimedOut,
    UnknownSuffixWarning,
)
from django_sqs_kombu.unpack import Unpack
from django_sqs_kombu.working import Breaker, Retry, Ticket, cursor, exponential, stopping

from .aws_lambda import lambda_handler
from .keywords import QueueKeywords, RegisterKeywords, SendKeywords, SendManyKeywords
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
    "Ticket",
    "TimedOut",
    "UnknownSuffixWarning",
    "asend",
    "batch",
    "cursor",
    "exponential",
    "lambda_handler",
    "queues",
    "receiver",
    "receivers",
    "register",
    "send",
    "send_many",
    "stopping",
]

M = TypeVar("M")
R = TypeVar("R")

# The registry is typed for django_sqs_kombu's queues; those of a project take more, and are its
# own class.

#: The registered queues by name.
queues = cast("dict[str, RegisteredQueue]", receivers.queues)
batch = receivers.batch


def register(
    queue_name: str,
    fn: Callable[[Any], Any] | None = None,
    *args: Any,
    celery_task: Any = None,
    **options: Unpack[QueueKeywords],
) -> RegisteredQueue:
    """Register a queue, with *fn* as its receiver or, without it, only for sending.

    :param args: in the original's order: visibility_timeout, message_class, timeout,
        delete_on_start, close_database, suffixes.
    :param celery_task: a Celery task, or its name, to which each message is handed; if there is
        a *fn*, it then turns the message into the task's arguments.
    :param options: those of :class:`~django_sqs.keywords.QueueKeywords`.
    :raises ConfigurationError: if options are invalid, or the name is registered with another
        receiver.
    """
    registered = receivers.register(queue_name, fn, *args, celery_task=celery_task, **_any(options))
    return cast(RegisteredQueue, registered)


def receiver(
    queue_name: str | None = None, **options: Unpack[RegisterKeywords]
) -> Callable[[Callable[[M], R]], ReceiverProxy[M, R, RegisteredQueue]]:
    """Decorate a function as the receiver of a queue.

    :param queue_name: default: the function's module and name, dots as ``__``.
    :param options: those of :class:`~django_sqs.keywords.RegisterKeywords`.
    :raises ConfigurationError: as for :func:`register`.
    """
    decorate = receivers.receiver(queue_name, **_any(options))
    return cast("Callable[[Callable[[M], R]], ReceiverProxy[M, R, RegisteredQueue]]", decorate)


def send(
    queue_name: str,
    message: object = None,
    suffix: str | None = None,
    **options: Unpack[SendKeywords],
) -> Ticket:
    """Send a message to a registered queue; see :meth:`DjangoQueue.send`.

    :raises UnknownQueue: if no queue has this name.
    """
    return _get(queue_name).send(message, suffix, **options)


async def asend(
    queue_name: str,
    message: object = None,
    suffix: str | None = None,
    **options: Unpack[SendKeywords],
) -> Ticket:
    """Send from asynchronous code; see :meth:`DjangoQueue.asend`.

    :raises UnknownQueue: if no queue has this name.
    """
    return await _get(queue_name).asend(message, suffix, **options)


def send_many(
    queue_name: str,
    items: Iterable[Any],
    suffix: str | None = None,
    **options: Unpack[SendManyKeywords],
) -> int:
    """Send many messages to a registered queue; see :meth:`DjangoQueue.send_many`.

    :raises UnknownQueue: if no queue has this name.
    """
    return _get(queue_name).send_many(items, suffix, **options)


def _get(queue_name: str) -> RegisteredQueue:
    return cast(RegisteredQueue, receivers.get(queue_name))


def _any(options: object) -> Any:
    return options
