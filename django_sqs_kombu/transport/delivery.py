"""Delivery: a received message as Kombu hands it to consumers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu.transport.virtual import Message

from ..names import FIFO
from .body.envelope import FOREIGN
from .receiving.leases import Lease
from .settling.lost import unless_lost

if TYPE_CHECKING:
    from .channel import Channel


class Delivery(Message):  # type: ignore[misc]
    """A :class:`kombu.Message` that can be requeued with a delay.

    ``ack``, ``reject`` and ``requeue`` may be called from any thread.
    """

    channel: Channel

    def __init__(
        self, payload: dict[str, Any], channel: Channel | None = None, **kwargs: Any
    ) -> None:
        super().__init__(payload, channel=channel, **kwargs)
        error = self.delivery_info.get("error")
        if error is not None:
            # Kombu hands a message with errors to on_decode_error.
            self.errors.append((type(error), error, None))

    @property
    def sqs_message(self) -> Mapping[str, Any]:
        """The message as ReceiveMessage returned it."""
        message: Mapping[str, Any] = self.delivery_info["sqs_message"]
        return message

    @property
    def sqs_body(self) -> str:
        """The SQS body; the payload itself where that is kept in S3."""
        return str(self.delivery_info["sqs_body"])

    @property
    def queue(self) -> str:
        """The name of the queue that it was received from."""
        return str(self.delivery_info["queue"])

    @property
    def is_fifo(self) -> bool:
        """Whether it came from a FIFO queue."""
        return self.queue.endswith(FIFO)

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return str(self.sqs_message.get("MessageId"))

    @property
    def receive_count(self) -> int:
        """How often it was received, this time included."""
        attributes = self.sqs_message.get("Attributes") or {}
        return int(attributes.get("ApproximateReceiveCount") or 1)

    @property
    def expired(self) -> bool:
        """Whether its visibility timeout has run out, so that others may have it now."""
        lease: Lease = self.delivery_info["lease"]
        return bool(lease.seconds) and time.monotonic() >= lease.expires_at

    @property
    def is_foreign(self) -> bool:
        """Whether the SQS body was no Kombu envelope."""
        return FOREIGN in self.properties

    @property
    def text(self) -> str:
        """The body as text: the SQS body, or the one inside the envelope."""
        body = self.body
        return body.decode() if isinstance(body, bytes) else str(body)

    def delete_now(self) -> None:
        """Delete the message; unlike :meth:`ack`, return when SQS has done it."""
        self._must_be_open()
        self.channel.delete_now(self)
        self._state = "ACK"

    def requeue(self, delay: float | None = None) -> None:
        """Leave the message in the queue, visible again after *delay* seconds.

        :param delay: 0 to 43,200 (SQS counts from the receipt).  None: exponential
            backoff from the receive count (transport options ``backoff_base`` and
            ``backoff_max``).
        """
        self._must_be_open()
        self.channel.basic_requeue(self.delivery_tag, delay)
        self._state = "REQUEUED"

    def release(self) -> None:
        """Give the message back, visible to other consumers at once."""
        self._must_be_open()
        self.channel.release([self])
        self._state = "REQUEUED"

    def abandon(self) -> None:
        """Forget the message without a request; SQS redelivers it after its timeout."""
        self._must_be_open()
        self.channel.qos.ack(self.delivery_tag)
        self._state = "REJECTED"

    def change_visibility(self, seconds: int) -> None:
        """Hide the message for *seconds* (0 to 43,200) from now.

        From then on its visibility timeout is the caller's, and not renewed any more.
        """
        lease: Lease = self.delivery_info["lease"]
        self.channel.leases.drop(self.delivery_tag)
        lease.expires_at = time.monotonic() + seconds
        with unless_lost(self.sqs_message):
            self.channel.requests.change_visibility(self.queue, self.sqs_message, seconds)

    def _must_be_open(self) -> None:
        if self.acknowledged:
            raise self.MessageStateError(f"Message already acknowledged with state: {self._state}")
