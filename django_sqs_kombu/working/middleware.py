"""Middleware: code around sending and receiving, for traces, metrics and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from ..drops import MessageDropped
from ..exceptions import Continue, TimedOut, kind_of
from ..logs import get_logger
from ..messages.base import Delivery, RawMessage
from ..transport.sqs.pauses import Pause
from .breaker import Trip
from .table import Action

logger = get_logger(__name__)


class NamedQueue(Protocol):
    """What a middleware knows of a registered queue."""

    @property
    def name(self) -> str:
        """Its name, without prefix and suffix."""

    def full_name(self, suffix: str | None = None) -> str:
        """Its name in SQS."""


@dataclass(slots=True)
class Sending:
    """Messages on their way to SQS.

    :param registered: the queue.
    :param full_name: its name in SQS.
    :param count: how many messages; for ``send_many`` it is only known once they are sent.
    :ivar attributes: message attributes that each message gets besides its own, text by name.
    :ivar message_id: SQS's id of a message that was sent alone, once SQS has accepted it.
    """

    registered: NamedQueue
    full_name: str
    count: int | None
    attributes: dict[str, str] = field(default_factory=dict)
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What happened to a message.

    :param registered: the queue.
    :param delivery: as it was received.
    :param message: the decoded message; None: it could not be decoded.
    :param action: what was done with it; None: nothing could be done, and SQS redelivers it.
    :param raised: what its receiver raised, or why it did not run, if anything.
    :param seconds: how long decoding it and running its receiver took.
    :param retried: whether it is retried because the project named the exception.
    """

    registered: NamedQueue
    delivery: Delivery
    message: RawMessage | None
    action: Action | None
    raised: BaseException | None
    seconds: float = 0.0
    retried: bool = False

    @property
    def operation(self) -> str:
        """What was done, as one word for metrics: an action in lower case, ``retry`` or
        ``continue`` if that is why it was requeued, ``expired`` or ``cancelled`` if that is
        why it was discarded, or ``none``.
        """
        if self.action is None:
            return "none"
        if self.action is Action.DISCARD and self.raised is not None:
            kind = kind_of(self.raised)
            return kind.operation if issubclass(kind, MessageDropped) else "discard"
        if self.action is Action.REQUEUE and isinstance(self.raised, Continue):
            return "continue"
        if self.action is Action.REQUEUE and self.retried:
            return "retry"
        return self.action.name.lower()


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether and how a message is received.

    :param refused: the message is not received, but settled as if its receiver had raised
        this; None: it is received.
    :param alone: it is received while this process receives no other.
    """

    refused: Exception | None = None
    alone: bool = False


#: The message is received as any other.
ADMITTED = Admission()
#: The context where nothing stands around a message.
NOTHING: AbstractContextManager[None] = nullcontext()


class Middleware:
    """Code around a registry's messages; this base class does nothing.

    Derive from it, override what you need, and pass an instance to :class:`Receivers` as
    ``middleware=[...]``, or in Django add the class to the setting SQS_MIDDLEWARE.  The first of
    several is the outermost.

    Hooks are called in the process and thread that each names, also several of one object at the
    same time, and must be quick.  **An exception in a hook is logged and does not affect the
    message**, nor the other middleware.  Only KeyboardInterrupt and a receiver's own TimedOut
    are passed on, since they are not the hook's.
    """

    def sending(self, sending: Sending) -> AbstractContextManager[None]:
        """A context around a request, or several, that sends messages.

        When: from before the message is written, so it can add to ``sending.attributes``, until SQS
        has answered.  If SQS refuses, the error is raised in it.  Thread: the sender's, or the
        outbox's.  An exception of its own: logged, and the messages are sent regardless.
        """
        return nullcontext()

    def admit(self, registered: NamedQueue, delivery: Delivery) -> Admission:
        """Whether and how a message is received; the first refusal counts.

        When: for each message that was received, before it is decoded.  Thread: the
        receiver's.  An exception: logged, and the message is admitted.  To postpone a message,
        return ``Admission(refused=RestartLater(...))``.
        """
        return ADMITTED

    def receiving(self, registered: NamedQueue, delivery: Delivery) -> AbstractContextManager[None]:
        """A context around decoding a message and running its receiver.

        When: for each message that is admitted; it is settled only after the context is left.
        Exceptions of decoding and of the receiver are raised in it, and must not be suppressed.
        Thread: the receiver's; in Celery's prefork pool in the child process; for asynchronous
        receivers that run together, any two threads, in the message's own context (contextvars).
        An exception of its own: logged, and the receiver runs, or has run, regardless.
        """
        return nullcontext()

    def failing(self, settlement: Settlement) -> None:
        """Something was raised for a message, and its ``action`` is about to be done.

        When: before :meth:`settled`.  Notes made now, by ``settlement.delivery.also_note()``,
        are written before the message is settled in SQS.  Also for each part of a message that
        is split, such as an S3 event, that SQS refuses for its content: its delivery is the
        part's, and :meth:`settled` follows for the whole alone.  Thread: as there.  An
        exception: logged.
        """

    def settled(self, settlement: Settlement) -> None:
        """A message was settled, or could not be.

        When: once for each message that was received, also if it was refused or could not be
        decoded; the request to SQS may still be waiting for its batch.  Thread: the receiver's;
        with Celery one of its main process.  An exception: logged, and the message stays settled.
        """

    def polled(self, registered: NamedQueue, received: int) -> None:
        """SQS answered a poll of a queue with *received* messages, possibly none.

        When: about when they are given to receivers.  Thread: one for all queues of the process,
        which makes one call at a time.  An exception: logged, and the messages are received.
        """

    def paused(self, registered: NamedQueue, pause: Pause | None) -> None:
        """A queue that this process receives from is paused, or, if *pause* is None, resumed.

        When: once for each change that this process has learnt of, within about a minute of the
        change, or at once over SQS_WAKE.  Thread: that of :meth:`polled`.  An exception: logged.
        """

    def tripped(self, registered: NamedQueue, full_name: str, trip: Trip | None) -> None:
        """The breaker of a queue has opened in this process, or, if *trip* is None, closed.

        When: once it has, and again when the message that was tried after a pause has failed,
        too; for a shared breaker when SQS has the pause, or has refused it.  Thread: that of the
        receiver whose message made the difference, or a separate one.  An exception: logged.

        :param full_name: the queue's name in SQS.
        """

    def limited(self, registered: NamedQueue, full_name: str) -> None:
        """A queue's ``rate=`` lets this process receive no more for now, though messages come.

        When: at most once a second, or once in the time that a slower rate allows for one message.
        Thread: a separate one.  An exception: logged.

        :param full_name: the queue's name in SQS.
        """

    def stopping(self) -> None:
        """This process was told to stop.

        When: once, before running receivers have ended; also in a process that supervises
        others.  Thread: any, also within a signal handler of the main one, so it must not take
        locks that others hold.  An exception: logged, and the process stops.
        """

    def resting(self, seconds: float) -> None:
        """Everything is done for now, and this process may be frozen for any time, or ended.

        When: at the end of each event of AWS Lambda: export now what you have collected to
        export later.  Thread: the function's, which waits for it.  An exception: logged.

        :param seconds: how long it may take.
        """

    def process_ended(self, process: int) -> None:
        """A process of this runreceiver has ended, by itself or killed.

        When: after its end and before another takes its place.  Thread: the main one of the
        supervising process; with a single process that was killed, the main one of the next run,
        at its start.  An exception: logged, and another process is started.

        :param process: its number, from 0.
        """


class Around(AbstractContextManager[None]):
    """Contexts of several middleware, kept from harming what is inside.

    They are entered and left together.  One that fails is logged.  What the block raises is
    raised, whatever they make of it, and nothing else is.

    :param middleware: whose contexts they are.
    :param context: makes the one of each.
    """

    def __init__(
        self,
        middleware: Iterable[Middleware],
        context: Callable[[Middleware], AbstractContextManager[None]],
    ) -> None:
        self._middleware = middleware
        self._context = context
        self._entered: list[tuple[Middleware, AbstractContextManager[None]]] = []

    def __enter__(self) -> None:
        try:
            for each in self._middleware:
                guarded(each, partial(self._enter, each))
        except BaseException as exc:
            self.__exit__(type(exc), exc, exc.__traceback__)
            raise

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._entered:
            each, context = self._entered.pop()
            guarded(each, partial(context.__exit__, cls, exc, traceback), passing=exc)

    def _enter(self, each: Middleware) -> None:
        context = self._context(each)
        context.__enter__()
        self._entered.append((each, context))


def around_sending(middleware: Iterable[Middleware], sending: Sending) -> Around:
    """The contexts of all *middleware* for a sending."""
    return Around(middleware, lambda each: each.sending(sending))


def around_receiving(
    middleware: Iterable[Middleware], registered: NamedQueue, delivery: Delivery
) -> AbstractContextManager[object]:
    """The contexts of all *middleware* for a message that is received."""
    if not middleware:
        return NOTHING
    return Around(middleware, lambda each: each.receiving(registered, delivery))


def tell(middleware: Iterable[Middleware], call: Callable[[Middleware], None]) -> None:
    """Call a hook of all *middleware*, for instance ``lambda each: each.stopping()``."""
    for each in tuple(middleware):
        guarded(each, partial(call, each))


def admission(
    middleware: Iterable[Middleware], registered: NamedQueue, delivery: Delivery
) -> Admission:
    """What all *middleware* together say of a message."""
    said: list[Admission] = []

    def ask(each: Middleware) -> None:
        answer = each.admit(registered, delivery)
        # Looked at here, since what is no Admission is the hook's own failure.
        if answer.alone or answer.refused is not None:
            said.append(answer)

    for each in middleware:
        guarded(each, partial(ask, each))
        if said and said[-1].refused is not None:
            return said[-1]
    return Admission(alone=True) if said else ADMITTED


def guarded(whose: object, call: Callable[[], Any], passing: BaseException | None = None) -> None:
    """Call what must not harm a message; what it raises is logged.

    :param whose: the object that is told, for the log.
    :param passing: what passes through it and is no failure of its own.
    """
    try:
        call()
    except BaseException as exc:
        if exc is passing:
            return
        # These two are not its own, but the user's, or the deadline's of a receiver that sends.
        if issubclass(type(exc), KeyboardInterrupt | TimedOut):
            raise
        logger.exception("%s failed; the message is handled regardless", type(whose).__qualname__)
