"""Refused: messages that a breaker does not let start, which are given back beside the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from kombu.exceptions import ConnectionError as KombuConnectionError

from ..logs import get_logger
from ..transport.delivery import Delivery
from ..transport.sqs.threads import Threads, aside
from ..working.resends import resent_together

logger = get_logger(__name__)

#: How many are sent again in a request.
TOGETHER = 10


class Refused:
    """Gives messages back in a thread, since what is sent again waits for SQS; true if it has any.

    :param give_back: gives one back.
    :param on_empty: called in that thread when none is left.
    :param threads: what that is one of.
    """

    def __init__(
        self,
        give_back: Callable[[Delivery], None],
        on_empty: Callable[[], None],
        threads: Threads,
    ) -> None:
        self._give_back = give_back
        self._on_empty = on_empty
        self._threads = threads
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Delivery]] = {}
        self._works = False

    def __bool__(self) -> bool:
        return self._works

    def add(self, delivery: Delivery) -> None:
        """Give a message back soon; it is held meanwhile."""
        with self._lock:
            self._waiting.setdefault(delivery.queue, deque()).append(delivery)
            begins, self._works = not self._works, True
        if begins:
            aside(self._work, self._threads)

    def _work(self) -> None:
        while deliveries := self._next():
            try:
                with resent_together():
                    for delivery in deliveries:
                        self._leave(delivery)
            except Exception:
                # Those that come later are given back all the same.
                logger.exception("%d message(s) are redelivered by SQS", len(deliveries))
        self._on_empty()

    def _next(self) -> list[Delivery]:
        """Some of one queue, the oldest first; none: the work is done."""
        with self._lock:
            for queue, waiting in self._waiting.items():
                found = [waiting.popleft() for _ in range(min(TOGETHER, len(waiting)))]
                if not waiting:
                    del self._waiting[queue]
                return found
            self._works = False
            return []

    def _leave(self, delivery: Delivery) -> None:
        try:
            self._give_back(delivery)
        except KombuConnectionError:
            # A channel that was closed meanwhile has given back whatever it held.
            pass
        except Exception:
            logger.exception("Message %s is redelivered by SQS", delivery.message_id)
            if not delivery.acknowledged:
                delivery.abandon()
