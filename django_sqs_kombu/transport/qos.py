"""QoS: which messages are held, queue by queue, and how many more may be."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from kombu.transport.SQS import QoS as KombuQoS

from .delivery import Delivery

if TYPE_CHECKING:
    from .channel import Channel

#: SQS hands out at most this many messages in one ReceiveMessage.
MAX_MESSAGES = 10


class QoS(KombuQoS):  # type: ignore[misc]
    """Kombu's QoS made safe for acknowledgement from any thread.

    ``prefetch_count`` holds for each consumed queue by itself, as RabbitMQ's does for
    each consumer, so that a queue which fills its places never takes another's.
    """

    channel: Channel

    def __init__(self, channel: Channel, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._changed = threading.Condition()
        self._held: Counter[str] = Counter()
        self._buffered: Counter[str] = Counter()

    def append(self, message: Delivery, delivery_tag: str) -> None:
        """Hold *message*, which now is with a consumer."""
        with self._changed:
            self._delivered[delivery_tag] = message
            self._held[message.queue] += 1

    def ack(self, delivery_tag: str) -> None:
        """Forget a message; its place is free."""
        with self._changed:
            message = self._delivered.pop(delivery_tag, None)
            if message is not None:
                self._held[message.queue] -= 1
                self._changed.notify_all()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Forget a message, and apply a predefined queue's ``backoff_policy`` to it."""
        try:
            super().reject(delivery_tag)
        finally:
            self._dirty.discard(delivery_tag)
            self.ack(delivery_tag)

    def has_backoff_policy(self, delivery_tag: str) -> bool:
        """Whether a predefined queue's ``backoff_tasks`` name this message's task."""
        _, message, tasks, policy = self._extract_backoff_policy_configuration_and_message(
            delivery_tag
        )
        return bool(tasks and policy and (message.headers or {}).get("task") in tasks)

    def buffered(self, queue: str, change: int) -> None:
        """Count messages of *queue* that were received and wait for a consumer."""
        with self._changed:
            self._buffered[queue] += change
            self._changed.notify_all()

    def wait_for_places(self, queue: str, timeout: float) -> int:
        """How many more messages of *queue* may be received, after waiting for one place.

        :param timeout: seconds to wait at most; 0 is returned when they have passed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._places(queue) > 0, timeout)
            return max(0, self._places(queue))

    def wake(self) -> None:
        """Make every :meth:`wait_for_places` look again."""
        with self._changed:
            self._changed.notify_all()

    def restore_unacked(self) -> list[Any]:
        """Give every held message back, visible at once; return what Kombu wants: errors."""
        with self._changed:
            messages = list(self._delivered.values())
        self.channel.release(messages)
        return []

    def _places(self, queue: str) -> int:
        free = MAX_MESSAGES - self._buffered[queue]
        if self.prefetch_count:
            free = min(free, self.prefetch_count - self._held[queue] - self._buffered[queue])
        return free
