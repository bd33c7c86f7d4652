"""QueueConsumer: Kombu's consumer of one queue, for what runs receivers."""

from __future__ import annotations

from functools import partial
from types import FunctionType
from typing import Any

from kombu import messaging

from ..messages.base import ENCODED, JSON, PLAIN
from ..transport.delivery import Delivery

#: Content types that are decoded. Nothing that could run code, such as pickle.
ACCEPT = (JSON, PLAIN, ENCODED, "application/data")


class QueueConsumer(messaging.Consumer):  # type: ignore[misc]
    """A consumer with ``on_message`` and ``on_decode_error`` of a channel of this transport."""

    def _receive_callback(self, message: Delivery) -> None:
        # Called for each message: of what Kombu's does, all that one of this transport needs.
        if message.errors:
            super()._receive_callback(message)
        else:
            message.accept = self.accept
            self.on_message(message)


def of_queues(make: Any) -> Any:
    """What makes the consumers of queues: *make*, with QueueConsumer for Kombu's own class.

    A class of somebody else's stays.  So does Kombu's own where somebody has put something around
    what each message comes through: agents that watch an application do, such as New Relic's.
    """
    if getattr(make, "func", None) is not messaging.Consumer:
        return make
    callback = vars(messaging.Consumer)["_receive_callback"]
    # A wrapper says that it is what it wraps, but for its type, or its module's names.
    if type(callback) is not FunctionType or callback.__globals__ is not vars(messaging):
        return make
    return partial(QueueConsumer, *make.args, **make.keywords)
