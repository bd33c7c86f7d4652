"""Django signals about messages, and the middleware that sends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.dispatch import Signal

from django_sqs_kombu.transport import Pause
from django_sqs_kombu.working import Middleware, NamedQueue, Sending, Settlement, Trip

#: SQS has accepted messages.  Arguments: ``queue``, a RegisteredQueue; ``count``, how many.
message_sent = Signal()
#: A message was decoded, and its receiver is about to run.  Arguments: ``queue``, ``message``.
message_received = Signal()
#: What became of a message.  Arguments: ``queue``; ``message``, None where it could not be
#: decoded; ``message_id``; ``outcome``, such as ``"DELETE"`` (the names of
#: :class:`~django_sqs_kombu.working.table.Action`); ``operation``: the same in small letters,
#: ``"retry"`` or ``"continue"`` where that is why it was requeued, ``"expired"`` or
#: ``"cancelled"`` where that is why it was discarded; ``raised``: by the receiver, or why it did
#: not run, or None.
message_settled = Signal()
#: A process has learnt that a queue it receives from is paused, or resumed.  Arguments:
#: ``queue``; ``pause``, a :class:`~django_sqs_kombu.Pause`, or None.
queue_paused = Signal()
#: The breaker of a queue has opened in this process, stays open for another pause, or has closed.
#: Arguments: ``queue``; ``trip``, a :class:`~django_sqs_kombu.working.breaker.Trip`, or None.
breaker_tripped = Signal()
#: A queue's rate lets this process receive no more for now, though messages come: once for each
#: second, or the time that a slower rate gives a message.  Argument: ``queue``.
queue_limited = Signal()
#: The app django_sqs.failures has written down that a message failed.  Arguments: ``queue``, a
#: RegisteredQueue, or None; ``failure``, its row.  Sent in a thread of its own.
failure_noted = Signal()


class SignalSender(Middleware):
    """Sends the signals; what a receiver of a signal raises is logged by Django."""

    @contextmanager
    def sending(self, sending: Sending) -> Iterator[None]:
        """message_sent, once SQS has accepted it."""
        yield
        registered = sending.registered
        message_sent.send_robust(type(registered), queue=registered, count=sending.count)

    def paused(self, registered: NamedQueue, pause: Pause | None) -> None:
        """queue_paused."""
        queue_paused.send_robust(type(registered), queue=registered, pause=pause)

    def tripped(self, registered: NamedQueue, full_name: str, trip: Trip | None) -> None:
        """breaker_tripped."""
        breaker_tripped.send_robust(type(registered), queue=registered, trip=trip)

    def limited(self, registered: NamedQueue, full_name: str) -> None:
        """queue_limited."""
        queue_limited.send_robust(type(registered), queue=registered)

    def settled(self, settlement: Settlement) -> None:
        """message_settled, unless SQS redelivers the message."""
        if settlement.action is None:
            return
        message_settled.send_robust(
            type(settlement.registered),
            queue=settlement.registered,
            message=settlement.message,
            message_id=settlement.delivery.message_id,
            outcome=settlement.action.name,
            operation=settlement.operation,
            raised=settlement.raised,
        )
