"""Observer: what is told of a consumer's work, for metrics and the like."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..transport.delivery import Delivery
from .instruments import guarded
from .table import Action


class Observer:
    """Hears what a :class:`ReceiverConsumer` does; this one does nothing with it.

    Its methods are called from any thread, between two messages, so they must be quick.
    What they raise is logged.  *queue* is the queue's name without prefix and suffix.
    """

    def polled(self, queue: str, received: int) -> None:
        """SQS answered a poll with *received* messages, maybe none."""

    def started(self, queue: str, delivery: Delivery) -> None:
        """A receiver starts on a message."""

    def ended(self, queue: str, delivery: Delivery, action: Action | None, seconds: float) -> None:
        """A receiver ended after *seconds*, and its message was settled by *action*.

        None: it was not settled, and SQS redelivers it.
        """


class Observers(Observer):
    """Tells several observers; one that fails is logged, and harms neither others nor a message.

    :param observers: hear the same.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def polled(self, queue: str, received: int) -> None:
        """SQS answered a poll."""
        for each in self._observers:
            guarded(each, partial(each.polled, queue, received))

    def started(self, queue: str, delivery: Delivery) -> None:
        """A receiver starts."""
        for each in self._observers:
            guarded(each, partial(each.started, queue, delivery))

    def ended(self, queue: str, delivery: Delivery, action: Action | None, seconds: float) -> None:
        """A receiver ended."""
        for each in self._observers:
            guarded(each, partial(each.ended, queue, delivery, action, seconds))
