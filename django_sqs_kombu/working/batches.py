"""Batches: the way of several messages whose receiver gets them at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

import kombu

from ..drops import MessageDropped
from ..exceptions import RestartLater, TimedOut
from ..messages.base import RawMessage
from ..transport.delivery import Delivery
from ..transport.sqs.received import group_of
from .attempt import its_own
from .context import MessageContext, apart, current_message
from .dropping import free_at_start, why_dropped
from .gate import Gate
from .handling import Handled, Surroundings, cleaning_up, handle, make_ready
from .middleware import NOTHING, Admission, admission, around_receiving
from .outcomes import settle, undecodable
from .registered import Attempt, Registered
from .resends import resent_together
from .restarting import attempts_of
from .splitting import split
from .table import Action, row_for

Settled: TypeAlias = tuple[Delivery, Handled]


@dataclass(slots=True, eq=False)
class Member:
    """A message of a batch.

    :param place: its place in the batch, from 0.
    :ivar message: what the message class made of the delivery, if it could.
    :ivar raised: what was raised for it, by the receiver or before it; None: it is done.
    :ivar runs: whether the receiver is to have it; not where it was sent as several others.
    :ivar around: the contexts of the middleware, while they are entered.
    """

    delivery: Delivery
    place: int
    message: RawMessage | None = None
    raised: BaseException | None = None
    runs: bool = True
    around: AbstractContextManager[object] = NOTHING


def receive_together(
    registered: Registered, queue: kombu.Queue, deliveries: Sequence[Delivery], gate: Gate
) -> Iterator[Settled]:
    """Receive messages at once, as far as the middleware let them be; yield how each ended.

    Those that are refused, or that are to be alone, go their way one by one.
    """
    if deliveries and deliveries[0].is_fifo:
        yield from _in_order(registered, queue, deliveries, gate)
        return
    together: list[Delivery] = []
    apart: list[tuple[Delivery, Admission]] = []
    for delivery in deliveries:
        admitted = admission(registered.receivers.middleware, registered, delivery)
        if admitted.alone or admitted.refused is not None:
            apart.append((delivery, admitted))
        else:
            together.append(delivery)
    if together:
        with gate.passed(alone=False):
            handled = handle_batch(registered, together, queue)
        yield from zip(together, handled, strict=True)
    for delivery, admitted in apart:
        with gate.passed(alone=admitted.alone):
            one = handle(registered, delivery, queue, admitted)
        yield delivery, one


def _in_order(
    registered: Registered, queue: kombu.Queue, deliveries: Sequence[Delivery], gate: Gate
) -> Iterator[Settled]:
    """Receive messages of a FIFO queue at once, or all of them one after the other."""
    middleware = registered.receivers.middleware
    admitted = [admission(middleware, registered, delivery) for delivery in deliveries]
    if not any(each.alone or each.refused is not None for each in admitted):
        with gate.passed(alone=False):
            handled = handle_batch(registered, deliveries, queue)
        yield from zip(deliveries, handled, strict=True)
        return
    order = Order()
    for delivery, each in zip(deliveries, admitted, strict=True):
        if order.is_broken(delivery):
            action = settle(registered, delivery, None, Order.later())
            yield delivery, Handled(Attempt(raised=Order.later()), action)
            continue
        with gate.passed(alone=each.alone):
            one = handle(registered, delivery, queue, each)
        order.ended(delivery)
        yield delivery, one


class Order:
    """The groups of a FIFO queue's batch of which a message stays in the queue."""

    def __init__(self) -> None:
        self._broken: set[str] = set()

    def break_off(self, delivery: Delivery) -> None:
        """What follows in the message's group is not to be done before it."""
        if delivery.is_fifo and (group := group_of(delivery.sqs_message)):
            self._broken.add(group)

    def ended(self, delivery: Delivery) -> None:
        """A message was settled."""
        if not delivery.held.deleted:
            self.break_off(delivery)

    def is_broken(self, delivery: Delivery) -> bool:
        """Whether one before the message, in its group, stays."""
        return bool(self._broken) and group_of(delivery.sqs_message) in self._broken

    @staticmethod
    def later() -> RestartLater:
        """What becomes of those behind it: they are received again, behind it."""
        return RestartLater(0)


def handle_batch(
    registered: Registered, deliveries: Sequence[Delivery], queue: kombu.Queue
) -> list[Handled]:
    """Decode messages, run their receiver on all of them, and settle each.

    Nothing that goes wrong on the way is raised, and nothing leaves a message unsettled.  What
    one of them alone is to blame for, as a body that cannot be read, harms no other.
    """

    def work(stack: Surroundings) -> list[Handled]:
        members = [Member(delivery, place) for place, delivery in enumerate(deliveries)]
        started = time.monotonic()
        error = make_ready(stack, registered)

        def handled() -> list[Handled]:
            if error is None:
                _Run(registered, members, queue).attempt()
            for member in members if error is not None else ():
                member.raised = error
            # All of it was for all of them.
            seconds = (time.monotonic() - started) / len(members)
            with resent_together():
                return list(_settled(registered, members, queue, seconds))

        return apart(handled)

    return cleaning_up(deliveries[0], work)


def _settled(
    registered: Registered, members: Sequence[Member], queue: kombu.Queue, seconds: float
) -> Iterator[Handled]:
    """Settle each message, whatever becomes of the others."""
    told: set[int] = set()
    interrupted: BaseException | None = None
    order = Order()
    for member in members:
        raised, action = member.raised, None
        if order.is_broken(member.delivery):
            raised = Order.later()
        current_message.set(_context(queue, [member]))
        try:
            action = settle(
                registered,
                member.delivery,
                member.message,
                raised,
                seconds,
                told=id(raised) in told,
            )
        except BaseException as exc:  # noqa: BLE001 - the others are done all the same
            interrupted = exc
        order.ended(member.delivery)
        told.add(id(raised))
        yield Handled(Attempt(member.message, raised, seconds=seconds), action)
    if interrupted is not None:
        raise interrupted


class _Run:
    """The receiver's run on a batch, and on parts of it where the culprit is sought."""

    def __init__(self, registered: Registered, members: list[Member], queue: kombu.Queue) -> None:
        self._registered = registered
        self._members = members
        self._queue = queue
        #: A receiver that hangs is not to hang for each message: as often as it takes to find one.
        self._timeouts_left = len(members).bit_length() + 1
        self._interrupt: BaseException | None = None

    def attempt(self) -> None:
        """Decode all, and run the receiver on those that can be read; nothing is raised."""
        try:
            order = Order()
            for member in self._members:
                if order.is_broken(member.delivery):
                    member.raised = Order.later()
                    continue
                self._open(member)
                if member.raised is not None and not isinstance(member.raised, MessageDropped):
                    order.break_off(member.delivery)
            self._receive([each for each in self._members if each.runs and each.raised is None])
        finally:
            for member in reversed(self._members):
                _close(member, self._registered)

    def _open(self, member: Member) -> None:
        registered, delivery = self._registered, member.delivery
        if delivery.errors:
            member.raised = undecodable(delivery.errors[0][1])
            return
        if (dropped := why_dropped(registered, delivery)) is not None:
            member.raised = dropped
            return
        token = current_message.set(_context(self._queue, [member]))
        try:
            around = around_receiving(registered.receivers.middleware, registered, delivery)
            around.__enter__()
            member.around = around
            message = registered.message_class.from_delivery(delivery, self._queue)
            member.message = message
            free_at_start(registered, delivery)
            member.runs = not split(registered, delivery, message)
        except BaseException as exc:  # noqa: BLE001 - whatever a message class may raise
            member.raised = self._own(exc)
        finally:
            current_message.reset(token)

    def _receive(self, members: list[Member]) -> None:
        """Run the receiver on *members*, and on parts of them as long as that tells more."""
        if not members:
            return
        if self._interrupt is not None:
            for member in members:
                member.raised = self._interrupt
            return
        raised = self._run(members)
        # Another worker has done these meanwhile.
        rest = [each for each in members if not _is_known(each)]
        if raised is not None and len(rest) > 1 and self._tells_more(raised, rest):
            half = (len(rest) + 1) // 2
            self._receive(rest[:half])
            self._receive(rest[half:])
            return
        for member in rest:
            verdict = member.message.verdict if member.message else None
            member.raised = raised if verdict is None else its_own(verdict, self._registered)

    def _run(self, members: list[Member]) -> BaseException | None:
        """Run the receiver once; return what it raised."""
        messages = []
        for member in members:
            if member.message is not None:
                member.message.verdict = None
                messages.append(member.message)
        registered = self._registered
        token = current_message.set(_context(self._queue, members))
        try:
            # A run that failed may leave what the next one must not find.
            with registered.around_message() if registered.bisects else NOTHING:
                registered.receive_batch(messages)
        except BaseException as exc:  # noqa: BLE001 - sys.exit() in a receiver, too
            return self._own(exc)
        finally:
            current_message.reset(token)
        return None

    def _tells_more(self, raised: BaseException, members: list[Member]) -> bool:
        """Whether to run the receiver on parts of what it has failed on.

        Not for what passes, and leaves all of them in the queue: that is nobody's fault.
        """
        registered = self._registered
        if not registered.bisects or self._interrupt is not None:
            return False
        if isinstance(raised, TimedOut):
            self._timeouts_left -= 1
            if self._timeouts_left < 0:
                return False
        rows = [row_for(raised, attempts_of(each.delivery), registered.table) for each in members]
        passes = all(row.action is Action.REQUEUE and row.retry is None for row in rows)
        return not passes

    def _own(self, exc: BaseException) -> BaseException:
        raised = its_own(exc, self._registered)
        if isinstance(raised, KeyboardInterrupt):
            self._interrupt = raised
        return raised


def _is_known(member: Member) -> bool:
    return member.message is not None and member.message.received_before


def _close(member: Member, registered: Registered) -> None:
    around, member.around = member.around, NOTHING
    raised = member.raised
    try:
        around.__exit__(
            None if raised is None else type(raised),
            raised,
            None if raised is None else raised.__traceback__,
        )
    except BaseException as exc:  # noqa: BLE001 - Ctrl-C in a hook
        member.raised = its_own(exc, registered)


def _context(queue: kombu.Queue, members: Sequence[Member]) -> MessageContext:
    """What logs tell of the messages; of several the first, and how many more."""
    first, more = members[0], len(members) - 1
    delivery = first.delivery
    if more:
        receives = max(each.delivery.receive_count for each in members)
        return MessageContext(queue.name, f"{delivery.message_id} (+{more})", receives)
    attributes = delivery.sqs_message.get("MessageAttributes") or {}
    return MessageContext(
        queue.name, delivery.message_id, delivery.receive_count, attributes, first.place
    )
