"""Instrument: is there around what is sent and received, for traces, signals and the like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Protocol

from ..exceptions import TimedOut
from ..messages.base import Delivery, RawMessage
from .table import Action

logger = logging.getLogger(__name__)


class NamedQueue(Protocol):
    """What an instrument knows of a registered queue."""

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
    :param count: how many messages; of many it is known only when they are sent.
    :ivar attributes: message attributes that each of them gets besides its own, text by name.
    """

    registered: NamedQueue
    full_name: str
    count: int | None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a message.

    :param registered: the queue.
    :param delivery: as it was received.
    :param message: what the message class made of it; None: it could not be decoded.
    :param action: what was done with it.
    :param raised: what its receiver raised, if anything.
    """

    registered: NamedQueue
    delivery: Delivery
    message: RawMessage | None
    action: Action
    raised: BaseException | None


class Instrument:
    """What is told of a registry's messages; this one does nothing with it.

    Add one to :attr:`Receivers.instruments`.  Its methods are called from any thread.  What
    they raise themselves is logged, and changes nothing for the message.
    """

    def sending(self, sending: Sending) -> AbstractContextManager[None]:
        """A context for the sending; it may add to ``sending.attributes`` before.

        What SQS does not accept is raised in it.
        """
        return nullcontext()

    def receiving(self, registered: NamedQueue, delivery: Delivery) -> AbstractContextManager[None]:
        """A context for decoding a message and running its receiver.

        What they raise is raised in it.
        """
        return nullcontext()

    def settled(self, settlement: Settlement) -> None:
        """A message was settled."""


class Around(AbstractContextManager[None]):
    """Contexts of several instruments, which cannot harm what is inside.

    They are entered and left together.  One that fails is logged.  What the block raises is
    raised, whatever they make of it, and nothing else is.

    :param instruments: whose contexts they are.
    :param context: makes the one of an instrument.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        context: Callable[[Instrument], AbstractContextManager[None]],
    ) -> None:
        self._instruments = instruments
        self._context = context
        self._entered: list[tuple[Instrument, AbstractContextManager[None]]] = []

    def __enter__(self) -> None:
        try:
            for instrument in self._instruments:
                guarded(instrument, partial(self._enter, instrument))
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
            instrument, context = self._entered.pop()
            guarded(instrument, partial(context.__exit__, cls, exc, traceback), passing=exc)

    def _enter(self, instrument: Instrument) -> None:
        context = self._context(instrument)
        context.__enter__()
        self._entered.append((instrument, context))


def around_sending(instruments: Iterable[Instrument], sending: Sending) -> Around:
    """The contexts of all *instruments* for a sending."""
    return Around(instruments, lambda each: each.sending(sending))


def around_receiving(
    instruments: Iterable[Instrument], registered: NamedQueue, delivery: Delivery
) -> Around:
    """The contexts of all *instruments* for a message that is received."""
    return Around(instruments, lambda each: each.receiving(registered, delivery))


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
        if isinstance(exc, KeyboardInterrupt | TimedOut):
            raise
        logger.exception("%s failed; the message goes its way", type(whose).__qualname__)
