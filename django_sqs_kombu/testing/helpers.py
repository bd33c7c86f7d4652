"""Helpers for tests of receivers and senders, without SQS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import kombu

from ..exceptions import ConfigurationError
from ..messages.base import RawMessage
from ..registration.outgoing import Outgoing
from ..registration.queue import RegisteredQueue
from ..registration.receivers import Receivers
from ..working.registered import Registered
from .eager import receive_at_once
from .local_delivery import LocalDelivery

__all__ = [
    "ForgottenSend",
    "SentMessage",
    "SentMessages",
    "captured",
    "eager",
    "nothing_sent",
    "received_message",
    "sent_to_sqs",
]


class ForgottenSend(AssertionError):
    """A test sent a message that nothing took in SQS's place."""


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that was sent while :func:`captured`.

    :param registered: the queue.
    :param queue: the queue as it is in SQS, including the suffix.
    :param outgoing: its text, delay, group, deduplication id and attributes.
    """

    registered: Registered
    queue: kombu.Queue
    outgoing: Outgoing

    @property
    def queue_name(self) -> str:
        """The queue's name as it was registered."""
        return self.registered.name

    @property
    def delay(self) -> float | None:
        """Seconds until it can be received, if there is a delay."""
        return self.outgoing.delay

    @property
    def attributes(self) -> dict[str, str]:
        """Its message attributes."""
        return dict(self.outgoing.attributes or {})

    @property
    def message(self) -> RawMessage:
        """The message as its receiver would get it."""
        delivery = LocalDelivery(self.queue.name, self.outgoing)
        return self.registered.message_class.from_delivery(delivery, self.queue)

    @property
    def body(self) -> Any:
        """The message's value."""
        return self.message.get_body()


class SentMessages(list[SentMessage]):
    """The messages that were sent, in order.

    :param receivers: the registry whose queues they are sent to.
    """

    def __init__(self, receivers: Receivers | None = None) -> None:
        super().__init__()
        self._receivers = receivers

    def to(self, queue_name: str) -> list[SentMessage]:
        """Return those sent to one queue, by its registered name.

        :raises UnknownQueue: no queue has this name, so nothing could ever be sent to it.
        """
        found = [sent for sent in self if sent.queue_name == queue_name]
        # A test may have registered its queue for a while only.
        if not found and self._receivers is not None:
            self._receivers.get(queue_name)
        return found


@contextmanager
def captured(receivers: Receivers) -> Iterator[SentMessages]:
    """Keep messages in a list instead of sending them."""
    sent = SentMessages(receivers)

    def keep(registered: Registered, queue: kombu.Queue, outgoing: Outgoing) -> None:
        sent.append(SentMessage(registered, queue, outgoing))

    with _outlet(receivers, keep):
        yield sent


@contextmanager
def eager(receivers: Receivers) -> Iterator[None]:
    """Receive at once what is sent; see :func:`~django_sqs_kombu.testing.eager.receive_at_once`."""
    with _outlet(receivers, receive_at_once):
        yield


@contextmanager
def nothing_sent(receivers: Receivers, hint: str = "Use captured() or eager().") -> Iterator[None]:
    """Refuse whatever is sent and nothing else takes, such as :func:`captured` in the block.

    :param hint: what to do instead.
    :raises ForgottenSend: where it is sent; and at the end of the block, should that have been
        swallowed.
    """
    refused: list[str] = []

    def refuse(registered: Registered, queue: kombu.Queue, outgoing: Outgoing) -> None:
        refused.append(f"A message to queue {queue.name!r} would have been sent to SQS. {hint}")
        raise ForgottenSend(refused[-1])

    with _outlet(receivers, refuse):
        yield
    if refused:
        raise ForgottenSend(refused[0])


@contextmanager
def sent_to_sqs(receivers: Receivers) -> Iterator[None]:
    """Send to SQS again, or to the local server that the settings name, in the block."""
    with _outlet(receivers, None):
        yield


def received_message(
    registered: RegisteredQueue,
    message: RawMessage | None = None,
    suffix: str | None = None,
    *,
    receive_count: int = 1,
    attributes: Mapping[str, str] | None = None,
    group_id: str | None = None,
    **kwargs: Any,
) -> RawMessage:
    """Return a message as a receiver gets it, for ``receive_order.direct(message)``.

    :param message: what was sent; None: it is made from *kwargs*, such as ``body=``.
    :param receive_count: its ApproximateReceiveCount.
    :param attributes: its message attributes, text by name.
    :param group_id: its message group.
    :raises ConfigurationError: it stands for several messages, or none, so no receiver gets it.
    """
    queue = registered.get_queue(suffix)
    outgoing = registered.outgoing(message, group_id=group_id, attributes=attributes, **kwargs)
    delivery = LocalDelivery(queue.name, outgoing, receive_count)
    made = registered.message_class.from_delivery(delivery, queue)
    if (parts := made.parts()) is not None:
        raise ConfigurationError(
            f"Queue {registered.name!r}: no receiver gets this {type(made).__name__} as a whole: "
            f"it stands for {len(parts)} messages, each received on its own. Make one message of "
            "each, or send it inside eager()."
        )
    return made


@contextmanager
def _outlet(receivers: Receivers, outlet: Any) -> Iterator[None]:
    before = receivers.outlet
    receivers.outlet = outlet
    try:
        yield
    finally:
        receivers.outlet = before
