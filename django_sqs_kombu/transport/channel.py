"""Channel: the joints to Kombu's SQS channel."""

from __future__ import annotations

import queue as stdlib_queue
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConnectionError as KombuConnectionError

from ..exceptions import SQSError
from ..names import FIFO
from .body.reading import read_body
from .delivery import Delivery
from .qos import QoS as SQSQoS
from .queues import QueueChannel
from .receiving.leases import Lease, LeaseKeeper
from .receiving.message_limit import ReceiveLimit
from .receiving.poller import Poller
from .sending.bulk import BulkSend, Progress
from .sending.checks import check_room_in_s3, check_size
from .sending.delays import celery_eta
from .sending.parameters import send_parameters
from .sending.sends import SendBatcher
from .settling.lost import unless_lost
from .settling.settlements import SettlementBatcher
from .sqs.declaration import WIRE_FORMAT_ARGUMENT

if TYPE_CHECKING:
    from .transport import Transport


class Channel(QueueChannel):
    """Kombu's SQS channel with its own receiving, settling and declaring."""

    Message = Delivery
    QoS = SQSQoS

    connection: Transport
    qos: SQSQoS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sends = SendBatcher(self.requests)
        self.leases = LeaseKeeper(self.requests, self._give_back_stale)
        self._lease_seconds: dict[str, int] = {}
        self._pollers: dict[str, Poller] = {}
        #: Limits on what is received, by queue name.
        self.receive_limits: dict[str, ReceiveLimit] = {}
        #: Of consumed queues, by name; messages of higher ones are delivered first.
        self.priorities: dict[str, int] = {}
        #: Called with the number of messages that a poll brought, by queue name.
        self.on_poll: dict[str, Callable[[int], None]] = {}
        # Kombu's own polling would start on any hub of this process, even one that this
        # connection does not run on.
        self.hub = None
        self.settlements = SettlementBatcher(self.requests, self.ack_linger, self.payloads.delete)

    def lease_seconds(self, queue: str) -> int | None:
        """The visibility timeout of messages received from *queue*, where it is known."""
        return self.declared_visibility_timeout(queue) or self._lease_seconds.get(queue)

    def learn_lease_seconds(self, queue: str) -> int:
        """The same, asked of SQS once where no declaration says it."""
        known = self.lease_seconds(queue)
        if known is None:
            known = self._lease_seconds[queue] = self.requests.facts(queue).visibility_timeout
        return known

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

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self.sends.send(queue, self._parameters(queue, message))

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
        return self._parameters(queue, message)

    def send_many(
        self,
        queue: str,
        items: Iterable[Any],
        encode: Callable[[Any], dict[str, Any]],
        *,
        parallel: int = 4,
        progress: Progress | None = None,
    ) -> int:
        """Send many messages to *queue*; see :meth:`RegisteredQueue.send_many`.

        :param encode: makes of an item what :meth:`entry` returns.
        """
        return BulkSend(self.requests, queue, parallel, progress).run(items, encode)

    # Receiving.

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Consume from *queue*: its poller starts here."""
        result = super().basic_consume(queue, no_ack, callback, consumer_tag, *args, **kwargs)
        if queue not in self._pollers:
            self._pollers[queue] = Poller(queue, self, self.connection.inbox)
            self._pollers[queue].start()
        return result

    def basic_cancel(self, consumer_tag: str) -> Any:
        """Stop consuming; messages that wait for the consumer become visible at once."""
        poller = self._pollers.pop(self._tag_to_queue.get(consumer_tag, ""), None)
        if poller is not None:
            poller.stop()
            poller.finish()
        return super().basic_cancel(consumer_tag)

    def stop_polling(self) -> None:
        """Break off all polls and give back what waits, visible at once; from any thread."""
        pollers = list(self._pollers.values())
        for poller in pollers:
            poller.stop()
        for poller in pollers:
            poller.finish()

    def wake_polling(self, queues: Collection[str] | None = None) -> None:
        """Poll at once these queues, or all, that are idle and rest; from any thread."""
        for name, poller in list(self._pollers.items()):
            if queues is None or name in queues:
                poller.wake()

    def basic_qos(self, *args: Any, **kwargs: Any) -> None:
        """Change the prefetch count, which pollers heed at once."""
        super().basic_qos(*args, **kwargs)
        self.qos.wake()
        self.connection.inbox.changed()

    def has_waiting(self) -> bool:
        """Whether received messages wait for their consumer."""
        return any(poller.has_waiting for poller in list(self._pollers.values()))

    def _give_back_stale(self, queue: str) -> None:
        poller = self._pollers.get(queue)
        if poller is not None:
            poller.give_back_stale()

    def close(self) -> None:
        """Stop polling, settle what is collected, give back what is held, and close."""
        if not self.closed:
            self.stop_polling()
            self.leases.close()
            self.settlements.close()
        super().close()

    def payload(self, lease: Lease) -> dict[str, Any]:
        """What Kombu's consumers get for the message of *lease*."""
        queue, message = lease.queue, lease.message
        lease.waiting = False
        if queue in self._noack_queues:
            self.leases.drop(message["ReceiptHandle"])
            self._delete_now(queue, message)
        error: SQSError | None = None
        try:
            body = self.payloads.body(message)
        except SQSError as exc:
            body, error = str(message.get("Body", "")), exc
        payload, wrong = read_body(body)
        error = error or wrong
        properties = payload["properties"]
        properties["delivery_tag"] = message["ReceiptHandle"]
        properties.setdefault("delivery_info", {}).update(
            exchange=properties.get("delivery_info", {}).get("exchange", ""),
            routing_key=properties.get("delivery_info", {}).get("routing_key", queue),
            queue=queue,
            sqs_message=message,
            sqs_queue=self.requests.existing_url(queue),
            lease=lease,
            error=error,
            sqs_body=body,
        )
        return payload

    def _message_to_python(
        self, message: Mapping[str, Any], queue_name: str, q_url: str
    ) -> dict[str, Any]:
        seconds = self.learn_lease_seconds(queue_name)
        lease = Lease(queue_name, message, seconds, time.monotonic())
        self.leases.keep([lease])
        return self.payload(lease)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        messages = self.requests.receive(
            queue, 1, self.wait_time_seconds, self.declared_visibility_timeout(queue)
        )
        if not messages:
            raise stdlib_queue.Empty
        return self._message_to_python(messages[0], queue, "")

    # Settling: any thread may call these.

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message, together with others within ``ack_linger`` seconds."""
        delivery = self._held(delivery_tag)
        try:
            if delivery is not None:
                self._delete_settled(delivery)
        finally:
            self.qos.ack(delivery_tag)

    def delete_now(self, delivery: Delivery) -> None:
        """Delete a held message; return when SQS has done it."""
        try:
            self._delete_now(delivery.queue, delivery.sqs_message)
        finally:
            self.qos.ack(delivery.delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Delete the message, or leave it to the redrive policy of its queue."""
        if requeue:
            self.basic_requeue(delivery_tag)
            return
        delivery = self._held(delivery_tag)
        if delivery is None:
            return
        policy = self.qos.policy_for(delivery)
        delay = None if policy is None else policy.delay(delivery.receive_count)
        if delay is not None:
            self.basic_requeue(delivery_tag, delay)
            return
        try:
            if policy is None and self.requests.facts(delivery.queue).redrive is None:
                self._delete_settled(delivery)
        finally:
            self.qos.reject(delivery_tag)

    def basic_requeue(self, delivery_tag: str, delay: float | None = None) -> None:
        """Leave the message in its queue, visible again after *delay* seconds."""
        delivery = self._held(delivery_tag)
        if delivery is None:
            return
        seconds = self.backoff.delay(delivery.receive_count) if delay is None else int(delay)
        try:
            if delivery.is_fifo:
                with unless_lost(delivery.sqs_message):
                    self.requests.change_visibility(delivery.queue, delivery.sqs_message, seconds)
            else:
                self.settlements.change_visibility(delivery.queue, delivery.sqs_message, seconds)
        finally:
            self.qos.ack(delivery_tag)

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Make held messages visible to others at once."""
        by_queue: dict[str, list[Mapping[str, Any]]] = {}
        for delivery in deliveries:
            by_queue.setdefault(delivery.queue, []).append(delivery.sqs_message)
            self.qos.ack(delivery.delivery_tag)
        for queue, messages in by_queue.items():
            self.requests.release(queue, messages)

    def _restore(self, message: Delivery, *args: Any, **kwargs: Any) -> None:
        self.release([message])

    def _delete_settled(self, delivery: Delivery) -> None:
        # The next message of a FIFO queue's group may run only when this one is gone.
        if delivery.is_fifo:
            self._delete_now(delivery.queue, delivery.sqs_message)
        else:
            self.settlements.delete(delivery.queue, delivery.sqs_message)

    def _delete_now(self, queue: str, message: Mapping[str, Any]) -> None:
        with unless_lost(message):
            self.requests.delete(queue, message)
            self.payloads.delete(message)

    def _held(self, delivery_tag: str) -> Delivery | None:
        try:
            delivery: Delivery = self.qos.get(delivery_tag)
        except KeyError:
            return None
        return delivery
