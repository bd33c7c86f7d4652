"""Sender: what a registered queue needs of the registry that it sends by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import kombu

from ..messages.base import RawMessage
from ..working.policy import Policy
from ..working.registered import Registered, Registry
from ..working.retry import Retry
from ..working.tickets import Ticket
from .batch import open_batch
from .batch_end import BatchSender
from .outgoing import Outgoing
from .ticketing import ticket_of
from .uniqueness import Unique, claimed, freeing, may_be_there, on_failure


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a registry says for every queue that does not say it itself.

    :param prefix: joined before each queue's name with ``__``; may be empty.
    :param visibility_timeout: seconds that a received message stays hidden.
    :param wire_format: ``"kombu"`` or ``"raw"``.
    """

    prefix: str
    visibility_timeout: int
    wire_format: str


class Sender(Registry, BatchSender, Protocol):
    """A registry that messages are sent by.

    To send one, a queue visits it twice: for its defaults and with the message.
    """

    @property
    def defaults(self) -> Defaults:
        """The defaults for queues that do not set these themselves; they may change at any time."""

    @property
    def passing(self) -> Retry:
        """What receivers may raise for a temporary cause, and for how many receives."""

    @property
    def policy(self) -> Policy:
        """What happens to a message whose receiver fails, unless its queue says otherwise."""

    def send_one(self, registered: Registered, queue: kombu.Queue, outgoing: Outgoing) -> None:
        """Send one message, or hand it to a test's outlet."""

    def channel(self) -> Any:
        """The channel that this process sends over; shared by all threads."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is ready to be sent: calling it sends it.

    :param sender: the registry that it is sent by.
    :param registered: its queue.
    :param queue: the same as SQS knows it.
    :param message: what was given to be sent, and may be given again.
    """

    sender: Sender
    registered: Registered
    queue: kombu.Queue
    outgoing: Outgoing
    message: object = None

    def __call__(self) -> None:
        """Send it; returns when SQS has accepted it, or an open batch keeps it."""
        unique = self.outgoing.unique
        try:
            if unique is None:
                self.sender.send_one(*self.parts)
            else:
                self._send_only_one(unique)
        except BaseException as exc:
            self._end_unsent(exc)
            raise

    def _end_unsent(self, exc: BaseException) -> None:
        if isinstance(self.message, RawMessage) and not may_be_there(exc):
            self.message.end_unsent()

    def _send_only_one(self, unique: Unique) -> None:
        name = self.queue.name
        batch = open_batch(self.sender)
        follower = on_failure(self.ticket, name, unique)
        if batch is None or not batch.add(*self.parts, follower=follower):
            freeing(self.ticket, name, unique, partial(self.sender.send_one, *self.parts))

    def check(self) -> None:
        """Raise what sending it would raise, as far as it lies in the message; nothing is sent.

        :raises MessageEncodeError: SQS would refuse it, or no receiver would read it.
        """
        if self.sender.outlet is not None:
            return
        try:
            self.sender.check_unsent(*self.parts)
        except BaseException as exc:
            self._end_unsent(exc)
            raise

    def send(self) -> Ticket:
        """Send it, unless there is another of its key; return its ticket, or that one's."""
        return self.claim_and(self)

    def claim_and(self, send: Callable[[], object]) -> Ticket:
        """The same, where *send* sends it."""
        return claimed(self.ticket, self.queue.name, self.outgoing.unique, send)

    @property
    def ticket(self) -> Ticket:
        """By which it can be cancelled, if it was to be."""
        return ticket_of(self.registered, self.outgoing)

    @property
    def parts(self) -> tuple[Registered, kombu.Queue, Outgoing]:
        """What it is, apart from who sends it."""
        return self.registered, self.queue, self.outgoing
