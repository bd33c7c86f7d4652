"""Channel: the joints to Kombu's SQS channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kombu.exceptions import ConnectionError as KombuConnectionError

from ..exceptions import SQSError
from ..names import DEFAULT_GROUP, FIFO
from .consuming_channel import ConsumingChannel
from .sending.bulk import BulkSend, Progress
from .sending.checks import check_room_in_s3, check_size
from .sending.delays import celery_eta
from .sending.parameters import send_parameters
from .sending.sends import SendBatcher
from .sqs.declaration import WIRE_FORMAT_ARGUMENT


class Channel(ConsumingChannel):
    """Kombu's SQS channel with its own receiving, settling, declaring and sending."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sends = SendBatcher(self.requests)

    # Sending.

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> Any:
        """Send *message* to the queues that *exchange* and *routing_key* lead to.

        :raises kombu.exceptions.ConnectionError: the channel is closed, as a retried declaration
            leaves the one that it began on; Kombu goes on with another.
        """
        if self.closed:
            raise KombuConnectionError("The channel is closed")
        return super().basic_publish(message, exchange, routing_key, **kwargs)

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """Text travels as it is; base64 is only for bytes that are no UTF-8."""
        if "body_encoding" in self.transport_options:
            encoded: tuple[Any, str | None] = super().encode_body(body, encoding)
            return encoded
        if isinstance(body, bytes):
            try:
                return body.decode(), None
            except UnicodeDecodeError:
                return self.codecs["base64"].encode(body), "base64"
        return body, None

    def _next_delivery_tag(self) -> str:
        """Nothing: the tag of a message is the receipt handle that a receiver gets."""
        return ""

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> str | None:
        # Kombu's producer hands it on to whoever has published.
        return self.sends.send(queue, self._parameters(queue, message))

    def _parameters(self, queue: str, message: dict[str, Any]) -> dict[str, Any]:
        wire_format = self.declared(queue).get(WIRE_FORMAT_ARGUMENT, "kombu")
        due = None
        if self.eta_as_delay and not queue.endswith(FIFO):
            due = celery_eta(message.get("headers") or {})
        params = send_parameters(queue, message, wire_format, due)
        if self.transport_options.get("large_payload_bucket"):
            check_room_in_s3(params)
        params = self.payloads.offload(params)
        check_size(queue, params)
        return params

    def entry(
        self, queue: str, body: str, content_type: str, properties: dict[str, Any]
    ) -> dict[str, Any]:
        """What SendMessage needs for *body*, apart from the queue's URL."""
        message = self.prepare_message(
            body,
            content_type=content_type,
            content_encoding="utf-8",
            properties=dict(properties),
        )
        self._inplace_augment_message(message, "", queue)
        try:
            return self._parameters(queue, message)
        except SQSError as exc:
            # Nothing of its group is to overtake it.
            exc.message_group = properties.get("MessageGroupId") or DEFAULT_GROUP
            raise

    def send_many(
        self,
        queue: str,
        items: Iterable[Any],
        encode: Callable[[Any], dict[str, Any]],
        *,
        parallel: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Send many messages to *queue*; see :meth:`RegisteredQueue.send_many`.

        :param encode: makes of an item what :meth:`entry` returns.
        """
        return BulkSend(self.requests, queue, parallel, progress).run(items, encode)
