"""QoS: which deliveries are with consumers, as Kombu asks for it."""

from __future__ import annotations

from typing import Any

from kombu.transport.SQS import QoS as KombuQoS

from .delivery import Delivery
from .settling.backoff import BackoffPolicy


class QoS(KombuQoS):  # type: ignore[misc]
    """Kombu's QoS made safe for acknowledgement from any thread.

    What prefetch leaves room for, leases and settlements are the channel's; this keeps what
    Kombu calls.
    """

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        # Kombu's finalizer would keep the channel alive for ever; the channel has one.
        self._on_collect.cancel()

    @property
    def prefetch_count(self) -> int:
        """How many deliveries may be with the consumers of a queue; 0: any number."""
        count: int = self.channel.prefetch.count
        return count

    @prefetch_count.setter
    def prefetch_count(self, count: int) -> None:
        self.channel.prefetch.count = count or 0

    def append(self, message: Delivery, delivery_tag: str) -> None:
        """Note that *message* is with a consumer."""
        self._delivered[delivery_tag] = message

    def ack(self, delivery_tag: str) -> None:
        """Forget a delivery; its place is free."""
        self._delivered.pop(delivery_tag, None)
        # A close beside this leaves the connection.
        if (connection := self.channel.connection) is None:
            return
        # Called for each message: only an event loop wants to hear of its place.
        if (on_change := connection.inbox.on_change) is not None:
            on_change()

    def find(self, delivery_tag: str) -> Delivery | None:
        """The delivery of this tag, if it is with a consumer."""
        delivery: Delivery | None = self._delivered.get(delivery_tag)
        return delivery

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Forget a delivery; the channel has settled it."""
        self.ack(delivery_tag)

    def can_consume(self) -> bool:
        """Whether the prefetch count leaves a place for another delivery."""
        return not self.prefetch_count or len(self._delivered) < self.prefetch_count

    def is_backoff_task(self, delivery_tag: str) -> bool:
        """Whether the backoff policy of a predefined queue tries this message again."""
        delivery = self.find(delivery_tag)
        return delivery is not None and self.policy_for(delivery) is not None

    def policy_for(self, delivery: Delivery) -> BackoffPolicy | None:
        """The backoff policy that tries *delivery* again when it is rejected, if any does."""
        policy: BackoffPolicy | None = self.channel.backoff_policy(delivery.queue)
        task = (delivery.headers or {}).get("task")
        # A stranger may have written anything there.
        named = policy is not None and isinstance(task, str) and task in policy.tasks
        return policy if named else None

    def restore_unacked(self) -> list[Any]:
        """Give every delivery back, visible at once; return what Kombu wants: errors."""
        self.channel.release(list(self._delivered.values()))
        return []
