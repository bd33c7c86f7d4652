"""QueueConsumer: Kombu's consumer of one queue, for what runs receivers."""

from __future__ import annotations

import kombu

from ..messages.base import ENCODED, JSON, PLAIN
from ..transport.delivery import Delivery

#: Content types that are decoded. Nothing that could run code, such as pickle.
ACCEPT = (JSON, PLAIN, ENCODED, "application/data")


class QueueConsumer(kombu.Consumer):  # type: ignore[misc]
    """A consumer with ``on_message`` and ``on_decode_error`` of a channel of this transport."""

    def _receive_callback(self, message: Delivery) -> None:
        # Called for each message: of what Kombu's does, all that one of this transport needs.
        if message.errors:
            super()._receive_callback(message)
        else:
            message.accept = self.accept
            self.on_message(message)
