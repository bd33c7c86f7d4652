"""Putting off: what a consumer of Kombu's cannot have now is left for a later receive."""

from __future__ import annotations

import threading
from functools import partial

from ..exceptions import SQSError
from ..logs import get_logger
from ..names import FIFO
from .delivery import Delivery, receive_count
from .holding.held import Held
from .sending.resending import send_again
from .sending.trail import Trail
from .settling.backoff import Backoff
from .settling.keeper import Keeper
from .sqs.forks import renew_after_fork
from .sqs.threads import aside

logger = get_logger(__name__)


class PuttingOff:
    """Leaves messages that were not read for a later receive.

    Where receives count they are sent again: S3 may be away for longer than they last, and SQS
    would move them to the dead letters, though nobody has tried them.

    :param keeper: what settles them.
    :param backoff: how long they wait.
    """

    def __init__(self, keeper: Keeper, backoff: Backoff) -> None:
        self._keeper = keeper
        self._backoff = backoff
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Leave to the parent what it has under way, in a forked child."""
        self._changed = threading.Condition()
        self._under_way = 0
        self._ended = False

    def put_off(self, delivery: Delivery, *, waits: bool) -> None:
        """Leave one.

        :param waits: whether this thread may wait for SQS, as that of an event loop may not.
        """
        if waits:
            self._put_off(delivery)
        else:
            aside(partial(self._put_off_aside, delivery))

    def leave(self, held: Held) -> None:
        """Leave one in its queue, where its receive counts."""
        seconds = self._backoff.delay(receive_count(held.message))
        self._keeper.hide(held, seconds, linger=not held.queue.endswith(FIFO))

    def finish(self, timeout: float) -> None:
        """Begin no other beside an event loop; wait for those begun, for *timeout* seconds.

        What is given back while it is sent again would come twice.
        """
        with self._changed:
            self._ended = True
            self._changed.wait_for(lambda: not self._under_way, timeout)

    def _put_off_aside(self, delivery: Delivery) -> None:
        with self._changed:
            if self._ended:
                # The close gives it back.
                return
            self._under_way += 1
        try:
            self._put_off(delivery)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _put_off(self, delivery: Delivery) -> None:
        if not delivery.is_fifo and _is_sent_again(delivery):
            self._keeper.delete(delivery.held)
        else:
            self.leave(delivery.held)


def _is_sent_again(delivery: Delivery) -> bool:
    try:
        if not delivery.channel.requests.redrives(delivery.queue):
            return False
        trail = Trail.of(delivery.sqs_message.get("MessageAttributes"))
        send_again(delivery, tries=trail.tries + delivery.receive_count - 1)
    except Exception as exc:
        logger.warning(
            "Message %s of queue %s could not be sent again; it stays, and the receive counts: %s",
            delivery.message_id,
            delivery.queue,
            exc,
            exc_info=None if isinstance(exc, SQSError) else exc,
        )
        return False
    return True
