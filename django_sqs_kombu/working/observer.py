"""Observer: what is told of a consumer's work, for metrics and the like."""

from __future__ import annotations

from ..transport.delivery import Delivery
from .table import Action


class Observer:
    """Hears what a :class:`ReceiverConsumer` does; this one does nothing with it.

    Its methods are called from any thread, between two messages, so they must be quick
    and raise nothing.  *queue* is the queue's name without prefix and suffix.
    """

    def polled(self, queue: str, received: int) -> None:
        """SQS answered a poll with *received* messages, maybe none."""

    def started(self, queue: str, delivery: Delivery) -> None:
        """A receiver starts on a message."""

    def ended(self, queue: str, delivery: Delivery, action: Action | None, seconds: float) -> None:
        """A receiver ended after *seconds*, and its message was settled by *action*.

        None: it was not settled, and SQS redelivers it.
        """
