"""The message that is being received, for logs and error reports, in a context variable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..transport.delivery import Delivery
from .sentry_scope import fork_scopes, is_imported

T = TypeVar("T")


# Not frozen, which would take thrice as long to make: there is one for each message.
@dataclass(slots=True)
class MessageContext:
    """Which message this thread, or task of an event loop, is receiving.

    :param queue: the queue's full name.
    :param message_id: SQS's id of the message.
    :param receive_count: how often it was received, including this time.
    :param message_attributes: those that it was sent with.
    :param place: its place in the batch, from 0, if it is received with others.
    """

    queue: str
    message_id: str
    receive_count: int
    message_attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    place: int = 0

    def as_dict(self) -> dict[str, object]:
        """The same, for ``structlog.contextvars.bind_contextvars`` or Sentry's set_context."""
        return {
            "queue": self.queue,
            "message_id": self.message_id,
            "receive_count": self.receive_count,
        }


#: None outside of a receiver.
current_message: ContextVar[MessageContext | None] = ContextVar("current_message", default=None)


def apart(call: Callable[..., T], *args: Any) -> T:
    """Call *call* for a message with context variables of its own, as a task has.

    The language that a receiver activates, say, is not that of the messages after it.
    """
    return own_context().run(call, *args)


def own_context() -> Context:
    """Return the context of a message that is about to be received."""
    context = copy_context()
    if is_imported():
        context.run(fork_scopes)
    return context


def facts_of(delivery: Delivery) -> dict[str, Any]:
    """What each record about a message has beside its text."""
    return {
        "queue": delivery.queue,
        "message_id": delivery.message_id,
        "receive_count": delivery.receive_count,
    }


class MessageContextFilter(logging.Filter):
    """A logging filter that adds the message to every record.

    Formats can then have ``%(sqs_queue)s``, ``%(sqs_message_id)s`` and
    ``%(sqs_receive_count)s``; outside a receiver they are ``-``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the message, and let every record pass."""
        message = current_message.get()
        record.sqs_queue = message.queue if message else "-"
        record.sqs_message_id = message.message_id if message else "-"
        record.sqs_receive_count = message.receive_count if message else "-"
        return True
