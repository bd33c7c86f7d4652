"""QoS: which messages are held, queue by queue, and how many more may be."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from kombu.transport.SQS import QoS as KombuQoS

from ..quotas import MAX_MESSAGES
from .delivery import Delivery
from .settling.backoff import BackoffPolicy

if TYPE_CHECKING:
    from .channel import Channel

#: The share of the visibility timeout that a message may be expected to wait.
WAITING_SHARE = 1 / 3
#: The most that waits for a consumer without a prefetch count.
UNLIMITED = 4 * MAX_MESSAGES


class QoS(KombuQoS):  # type: ignore[misc]
    """Kombu's QoS made safe for acknowledgement from any thread.

    ``prefetch_count`` holds for each consumed queue by itself, as RabbitMQ's does for
    each consumer, so that a queue which fills its places never takes another's.  On an
    event loop it holds for the channel, as Celery means it.  Of those places no more are
    used than can be started soon: a message that waits long is better off with another
    worker.
    """

    channel: Channel

    def __init__(self, channel: Channel, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._changed = threading.RLock()
        #: What waits for places, by queue, and the queues for which one was woken.
        self._waiting: defaultdict[str, threading.Condition] = defaultdict(
            lambda: threading.Condition(self._changed)
        )
        self._waiters: Counter[str] = Counter()
        self._woken: set[str] = set()
        self._held: Counter[str] = Counter()
        self._buffered: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

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
                # On an event loop a place that is free is any queue's.
                for queue in list(self._waiting) if self._on_loop else (message.queue,):
                    self._wake_for(queue)
        self.channel.leases.drop(delivery_tag)
        self.channel.connection.inbox.changed()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Forget a message; the channel has seen to what becomes of it."""
        self.ack(delivery_tag)

    def is_backoff_task(self, delivery_tag: str) -> bool:
        """Whether the backoff policy of a predefined queue tries this message again."""
        delivery = self._delivered.get(delivery_tag)
        return delivery is not None and self.policy_for(delivery) is not None

    def policy_for(self, delivery: Delivery) -> BackoffPolicy | None:
        """The backoff policy that tries *delivery* again when it is rejected, if any does."""
        policy = self.channel.backoff_policy(delivery.queue)
        task = (delivery.headers or {}).get("task")
        # A stranger may have written anything there.
        named = policy is not None and isinstance(task, str) and task in policy.tasks
        return policy if named else None

    def reserve_places(self, queue: str, timeout: float, at_once: int = MAX_MESSAGES) -> int:
        """Reserve places for messages of *queue* that are about to be asked for.

        :param timeout: seconds to wait for places that are worth a request.
        :param at_once: the most to reserve.
        :returns: how many; 0 when the time has passed.
        """
        with self._changed:
            self._waiters[queue] += 1
            found = self._waiting[queue].wait_for(lambda: self._look(queue), timeout)
            self._waiters[queue] -= 1
            if not found:
                return 0
            count = min(self._places(queue), at_once)
            self._asked[queue] += count
            # There may be places for another.
            self._wake_for(queue)
            return count

    def answered(self, queue: str, asked: int, received: int) -> None:
        """Of *asked* messages *received* came, and wait for their consumer."""
        with self._changed:
            self._asked[queue] -= asked
            self._buffered[queue] += received
            self._wake_for(queue)

    def taken(self, queue: str) -> None:
        """A message that waited is with its consumer, or given back."""
        with self._changed:
            self._buffered[queue] -= 1
            self._wake_for(queue)

    def wake(self) -> None:
        """Make every :meth:`reserve_places` look again."""
        with self._changed:
            for waiting in self._waiting.values():
                waiting.notify_all()

    def restore_unacked(self) -> list[Any]:
        """Give every held message back, visible at once; return what Kombu wants: errors."""
        with self._changed:
            messages = list(self._delivered.values())
        self.channel.release(messages)
        return []

    def _wake_for(self, queue: str) -> None:
        # One at a time: the others would find its places taken. It wakes the next.
        if self._waiters[queue] and queue not in self._woken and self._worth_a_request(queue):
            self._woken.add(queue)
            self._waiting[queue].notify()

    def _look(self, queue: str) -> bool:
        self._woken.discard(queue)
        return self._worth_a_request(queue)

    def _worth_a_request(self, queue: str) -> bool:
        # A full request, or any at all when nothing is on its way to the consumer.
        least = 1
        if self._coming(queue):
            small = 0 < self.prefetch_count < MAX_MESSAGES
            least = (self.prefetch_count + 1) // 2 if small else MAX_MESSAGES
        return self._free(queue) >= least and self._places(queue) >= least

    def _places(self, queue: str) -> int:
        """Places that the prefetch count leaves and the consumer will need soon."""
        timeout = self.channel.lease_seconds(queue)
        if not timeout:
            return self._free(queue)
        soon = self.channel.connection.inbox.soon(timeout * WAITING_SHARE)
        return min(self._free(queue), soon - self._coming(queue))

    def _free(self, queue: str) -> int:
        if not self.prefetch_count:
            return UNLIMITED - self._coming(queue)
        held = len(self._delivered) if self._on_loop else self._held[queue]
        return int(self.prefetch_count - held - self._coming(queue))

    @property
    def _on_loop(self) -> bool:
        return self.channel.connection.event_loop is not None

    def _coming(self, queue: str) -> int:
        return self._buffered[queue] + self._asked[queue]
