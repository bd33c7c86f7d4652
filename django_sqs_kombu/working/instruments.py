"""Instrument: is there around what is sent and received, for traces, signals and the like."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from ..messages.base import Delivery, RawMessage
from .table import Action


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

    Add one to :attr:`Receivers.instruments`.  Its methods are called from any thread.
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


def around(contexts: Iterable[AbstractContextManager[None]]) -> ExitStack:
    """All of *contexts*, entered; they are left together."""
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        return stack.pop_all()
