"""SettlingChannel: what Kombu's consumers call to settle a message."""

from __future__ import annotations

import atexit
import math
import time
import weakref
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from kombu.exceptions import ConnectionError as KombuConnectionError

from ..logs import get_logger
from ..printable import NAME, line
from .delivery import Delivery
from .holding.held import Held
from .holding.note import Note
from .holding.table import HeldMessages
from .qos import QoS as SQSQoS
from .queues import QueueChannel
from .receiving.poller import Poller
from .receiving.prefetch import Prefetch
from .settling.keeper import Keeper
from .settling.objects import ObjectDeletions
from .settling.settlements import STEP_ASIDE
from .sqs.forks import renew_after_fork

logger = get_logger(__name__)

#: Seconds that a close waits for SQS to confirm what was settled, and an exit of the process.
CLOSE_TIMEOUT, EXIT_TIMEOUT = 10.0, 2.0
#: Seconds that a change of a message's visibility waits for renewals: they end by then, and in a
#: forked child those of its parent never do.
RENEWALS_TIMEOUT = 10.0

_open: weakref.WeakSet[SettlingChannel] = weakref.WeakSet()


class SettlingChannel(QueueChannel):
    """Kombu's SQS channel with its own way of holding and settling messages.

    Its parts know nothing of the channel, so that one that is dropped without having been
    closed gives back what it holds, and its threads end.
    """

    Message = Delivery
    QoS = SQSQoS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: What this channel holds.
        self.held = HeldMessages()
        self.prefetch = Prefetch(self.held)
        #: The pollers of the consumed queues, by name.
        self.pollers: dict[str, Poller] = {}
        #: Those of consumers that were cancelled, with polls under way.
        self._finishing: list[Poller] = []
        super().__init__(*args, **kwargs)
        # Kombu's own polling would start on any hub of this process, even one that this
        # connection does not run on.
        self.hub = None
        pollers = self.pollers

        def stale(held: Held, now: float) -> bool:
            poller = pollers.get(held.queue)
            return poller is not None and poller.returns.stale(held, now)

        def give_back(held: Iterable[Held]) -> None:
            of_queue: dict[str, list[Held]] = {}
            for each in held:
                of_queue.setdefault(each.queue, []).append(each)
            for queue, stale in of_queue.items():
                if (poller := pollers.get(queue)) is not None:
                    poller.returns.give_back_stale(stale)

        self.keeper = Keeper(
            self.requests,
            self.held,
            ObjectDeletions(self.payloads),
            linger=self.ack_linger,
            stale=stale,
            give_back=give_back,
        )
        keeper = self.keeper

        def on_broken(held: list[Held]) -> None:
            # Not the channel's method: what it holds must not keep it alive.
            for queue in dict.fromkeys(each.queue for each in held):
                if (poller := pollers.get(queue)) is not None:
                    mine = [each for each in held if each.queue == queue]
                    poller.returns.give_back_under_lock(mine)
            keeper.release(held)

        self.held.on_broken = on_broken
        _open.add(self)
        renew_after_fork(self)
        weakref.finalize(self, _abandon, pollers, self.keeper).atexit = False

    @cached_property
    def qos(self) -> SQSQoS:
        """Kombu's QoS; a plain attribute from the second time on, since each message asks."""
        qos: SQSQoS = super().qos
        return qos

    # Settling: any thread may call these.

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message, together with others within ``ack_linger`` seconds.

        It returns at once.  Until SQS has confirmed the deletion it is tried again, and the
        message is kept hidden from others.
        """
        self._must_be_open()
        held = self.held.get(delivery_tag)
        if held is not None:
            self.keeper.delete(held)
        self.qos.ack(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Delete the message, or leave it to the redrive policy of its queue."""
        self._must_be_open()
        delivery = self.qos.find(delivery_tag)
        if delivery is None:
            return
        if requeue:
            self.requeue(delivery, None)
            return
        policy = self.qos.policy_for(delivery)
        delay = None if policy is None else policy.delay(delivery.receive_count)
        if delay is not None:
            self.requeue(delivery, delay)
        elif policy is None and not self.requests.redrives(delivery.queue):
            self.basic_ack(delivery_tag)
        else:
            self._say_that_it_is_overdue(delivery)
            self.abandon(delivery)

    def _say_that_it_is_overdue(self, delivery: Delivery) -> None:
        """Log a message that SQS should have moved to the dead letters, and did not."""
        redrive = self.requests.facts(delivery.queue).redrive
        if redrive is None or not redrive.dead_letter_arn:
            return
        if delivery.receive_count > redrive.max_receives:
            logger.error(
                "Message %s of queue %s (receive %d) was received again although its queue's "
                "redrive policy allows %d receives: check that its dead-letter queue %s exists "
                "and accepts it",
                delivery.message_id,
                delivery.queue,
                delivery.receive_count,
                redrive.max_receives,
                line(redrive.dead_letter_name, NAME),
            )

    def requeue(self, delivery: Delivery, delay: float | None) -> None:
        """Leave the message in its queue, visible again after *delay* seconds; None: backoff."""
        self._must_be_open()
        # No sooner than was said.
        count = delivery.receive_count
        seconds = self.backoff.delay(count) if delay is None else max(0, math.ceil(delay))
        self.keeper.hide(delivery.held, seconds, linger=not delivery.is_fifo)
        self.qos.ack(delivery.delivery_tag)

    def release(self, deliveries: Iterable[Delivery], *, at_end: bool = False) -> None:
        """Make the messages visible to others at once.

        :param at_end: whether their consumers end with them.  First polls are broken off then:
            one under way would receive them again, for nobody.
        """
        self._must_be_open()
        if at_end:
            self.stop_polling(break_off=True)
        for delivery in deliveries:
            self.keeper.release([delivery.held])
            self.qos.ack(delivery.delivery_tag)

    def delete_now(self, delivery: Delivery) -> None:
        """Delete the message; return when SQS has confirmed it.

        :raises RequestFailed: it has not; the message is held as before.
        """
        self._must_be_open()
        self.keeper.delete_now(delivery.held)
        self.qos.ack(delivery.delivery_tag)

    def abandon(self, delivery: Delivery) -> None:
        """Forget the message without a request."""
        self.keeper.abandon(delivery.held)
        self.qos.ack(delivery.delivery_tag)

    def note_start(self, delivery: Delivery, note: Note) -> None:
        """Have something written down soon, unless its end is noted before."""
        self.keeper.note_start(delivery.held, note)

    def change_visibility(self, delivery: Delivery, seconds: int) -> None:
        """Hide the message for *seconds* from now, and renew it no more.

        :raises RequestFailed: SQS refused; the message is renewed as before.
        """
        held = delivery.held
        with self.held.lock:
            held.renewed = False
        try:
            _await_renewals(held)
            self.requests.change_visibility(held.queue, held.message, seconds)
        except BaseException:
            held.renewed = True
            self.keeper.keep([held])
            raise
        held.expires_at = time.monotonic() + seconds

    def _must_be_open(self) -> None:
        # A close gives back what is held, and then leaves the connection.
        if self.connection is None:
            raise KombuConnectionError("The channel is closed, and has given its messages back")

    def flush(self, timeout: float) -> bool:
        """Send what is settled; return whether SQS confirmed it within *timeout* seconds."""
        return self.keeper.flush(timeout)

    def finish(self, timeout: float) -> None:
        """As :meth:`flush`, before the process exits: what is not settled then is logged."""
        self.keeper.finish(timeout, "the process exits")

    def _restore(self, message: Delivery, *args: Any, **kwargs: Any) -> None:
        self.release([message])

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        """Delete *queue*; see :meth:`.QueueChannel.queue_delete`.

        What was acknowledged before does not count as a message of it, and is deleted first: it
        would be logged as what SQS may redeliver, once the queue is gone.
        """
        self.flush(CLOSE_TIMEOUT)
        super().queue_delete(queue, if_unused, if_empty, **kwargs)

    # The end.

    def _all_pollers(self) -> list[Poller]:
        return [*self._finishing, *self.pollers.values()]

    def stop_polling(self, *, break_off: bool = False, hands_out: bool = False) -> list[Poller]:
        """Poll no more; from any thread.  :meth:`finish_polling` waits for what is under way.

        Polls under way end by themselves, since SQS may give messages to one that was broken
        off, and hide them from everybody for their visibility timeout.

        :param break_off: break them off all the same.
        :param hands_out: see :meth:`.Poller.stop`.
        """
        pollers = self._all_pollers()
        for poller in pollers:
            poller.stop(break_off=break_off, hands_out=hands_out)
        return pollers

    def finish_polling(self) -> None:
        """Wait until the polls under way have ended; then give back what waits."""
        for poller in self._all_pollers():
            poller.finish()

    def close(self) -> None:
        """Stop polling, give back what is held, settle what is decided, and close.

        What SQS refuses, or has not confirmed after 10 seconds, is logged.
        """
        if self.closed:
            return
        self.stop_polling(break_off=self.break_off_polls)
        self.finish_polling()
        super().close()
        self.keeper.release(self.held.all())
        self.keeper.close(CLOSE_TIMEOUT)
        _open.discard(self)

    def leave(self) -> None:
        """At the process's exit without a close: give back what is held; :meth:`finish` waits.

        Its polls were broken off before.
        """
        self.keeper.release(self.held.all())

    def renew_after_fork(self) -> None:
        """Forget, in a forked child, what is held and the threads: they are the parent's."""
        self.pollers.clear()
        self._finishing.clear()
        self.held.forget()
        self.keeper.forget()
        _open.discard(self)


def _await_renewals(held: Held) -> None:
    """Wait until no renewal of a message is under way: it could undo what is asked for next."""
    until = time.monotonic() + RENEWALS_TIMEOUT
    while held.renewals and time.monotonic() < until:
        time.sleep(STEP_ASIDE)


def _abandon(pollers: dict[str, Poller], keeper: Keeper) -> None:
    # Within a garbage collection, which may come anywhere: no lock must be taken here.
    for poller in list(pollers.values()):
        poller.abandon()
    keeper.abandoned = True


def _leave_all() -> None:
    channels = list(_open)
    # First the polls of all: one would take what another gives back, and nobody would know.
    for channel in channels:
        channel.stop_polling(break_off=True)
    for channel in channels:
        channel.leave()
    # One time for all of them: nobody expects an exit to take long.
    deadline = time.monotonic() + EXIT_TIMEOUT
    for channel in channels:
        channel.finish(max(0.0, deadline - time.monotonic()))


atexit.register(_leave_all)
