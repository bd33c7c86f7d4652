"""Tickets: what a send returns; they can cancel its message until it starts."""

from __future__ import annotations

import asyncio
import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..exceptions import ConfigurationError, EnvironmentFailure
from ..quotas import MAX_RETENTION
from ..rules import shown
from ..transport.holding.note import Note
from .ends_of_keys import KEYS, Ended

#: Why there are none.
NEEDED = (
    "There is no store of tickets. In Django add 'django_sqs.tickets' to INSTALLED_APPS and "
    "migrate; without it give Receivers(tickets=CacheTickets(cache))."
)


#: How often a key is asked for that comes and goes.
_TRIES = 10
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_id() -> str:
    """The id of a new ticket."""
    return str(uuid.uuid4())


def is_id(value: object) -> bool:
    """Whether *value* may be the id of a ticket: whoever may send writes anything."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


class TicketStore(Protocol):
    """Where senders and receivers meet: the first to come with a message's id decides."""

    def start(self, ticket_id: str) -> bool:
        """Note that a receiver starts with a message; return False where it was cancelled."""

    def cancel(self, ticket_id: str) -> bool:
        """Let no receiver start with a message; return False if one has started."""

    async def acancel(self, ticket_id: str) -> bool:
        """Cancel from asynchronous code: in a thread, unless the store has a way of its own."""
        return await asyncio.to_thread(self.cancel, ticket_id)

    def claim(
        self,
        key: str,
        ticket_id: str,
        seconds: float,
        *,
        until: str | None = None,
        queue: str = "",
    ) -> str:
        """Take *key* for a message, unless another has it; return the ticket of who has it.

        :param key: a digest of what the sender named so and of the queue.
        :param seconds: how long it has it at most.
        :param until: ``"started"`` or ``"finished"``, where it is freed before.
        :param queue: the queue's name in SQS, for people to read.
        """

    def free(self, key: str, ticket_id: str) -> None:
        """Give *key* back, if that message has it."""

    def unclaim(self, key: str, ticket_id: str, exc: BaseException) -> None:
        """Give *key* back after a claim that raised *exc*: it may have been taken all the same."""
        self.free(key, ticket_id)

    def free_all(self, ticket_ids: Sequence[str]) -> None:
        """Give back whatever keys these messages have; a message that is cancelled has none."""

    def free_at_start(self, ticket_id: str) -> None:
        """Give back the key of a message whose receiver starts now.

        It is to raise, and not to wait long, where the key is in somebody's transaction: the
        message is tried again, and others have its thread meanwhile.
        """
        self.free_all([ticket_id])

    def note_of_end(self, ticket_id: str) -> Note | None:
        """What gives a message's key back before SQS is told of its end; None: it is free."""
        return Note(KEYS, Ended(self, ticket_id))


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a send returns.

    :param queue: the name that its queue was registered under.
    :param id: the id for a later ``queue.cancel(id)``; None:
        it cannot be cancelled.
    :param sent: False: nothing was sent, because another message has the key of ``unique=``; the
        ticket is that message's.
    """

    queue: str
    id: str | None = None
    sent: bool = True
    store: TicketStore | None = field(default=None, repr=False, compare=False)

    def cancel(self) -> bool:
        """Cancel the message: it is dropped without being run.

        :returns: True: no receiver will start on it.  False: one has started, is running
            or has run; that is not undone.
        :raises ConfigurationError: it was sent without a ticket, or there is no store of tickets.
        """
        return cancel(self.store, self._known_id())

    async def acancel(self) -> bool:
        """Do as :meth:`cancel`, from asynchronous code."""
        return await acancel(self.store, self._known_id())

    def _known_id(self) -> str:
        if self.id is None:
            raise ConfigurationError(
                f"Queue {self.queue!r}: the message was sent without a ticket. Send it with "
                f"ticket=True, or with a delay. {'' if self.store else NEEDED}".rstrip()
            )
        return self.id


def cancel(store: TicketStore | None, ticket_id: str | uuid.UUID) -> bool:
    """Cancel what was sent with a ticket; see :meth:`Ticket.cancel`."""
    there, checked = _checked(store, ticket_id)
    return there.cancel(checked)


async def acancel(store: TicketStore | None, ticket_id: str | uuid.UUID) -> bool:
    """Cancel from asynchronous code what was sent with a ticket."""
    there, checked = _checked(store, ticket_id)
    return await there.acancel(checked)


def _checked(store: TicketStore | None, ticket_id: str | uuid.UUID) -> tuple[TicketStore, str]:
    if store is None:
        raise ConfigurationError(NEEDED)
    # As a UUIDField gives it back that it was kept in.
    text = str(ticket_id) if isinstance(ticket_id, uuid.UUID) else ticket_id
    if not is_id(text):
        raise ConfigurationError(f"{shown(ticket_id)} is not the id of a ticket")
    return store, text


class Ticketing:
    """A registry whose messages can be cancelled, if it has a store of tickets."""

    _tickets: TicketStore | None = None

    @property
    def tickets(self) -> TicketStore | None:
        """Where is noted what was cancelled; None: nothing can be."""
        return self._tickets


class Cache(Protocol):
    """What a cache has to have: Django's caches have it."""

    def add(self, key: str, value: Any, timeout: int) -> bool:
        """Store *value* for *timeout* seconds unless there is one, at one stroke."""

    def get(self, key: str) -> Any:
        """What is stored, or None."""

    def delete(self, key: str) -> Any:
        """Forget it."""


class CacheTickets(TicketStore):
    """Tickets in a cache that senders and receivers share, such as Redis or memcached.

    A cache that is restarted or full also forgets cancellations.

    :param cache: has ``add``, ``get`` and ``delete``, like Django's caches.
    :param prefix: of its keys.
    :param seconds: how long an id is remembered; default: as long as a message may be delayed
        and then kept.
    """

    def __init__(
        self, cache: Cache, prefix: str = "sqs-ticket:", seconds: float = 2 * MAX_RETENTION
    ) -> None:
        self._cache = cache
        self._prefix = prefix
        self._seconds = math.ceil(seconds)

    def start(self, ticket_id: str) -> bool:
        """Note that a receiver starts with a message; return False where it was cancelled."""
        return self._comes_first(ticket_id, "started")

    def cancel(self, ticket_id: str) -> bool:
        """Let no receiver start with a message; return False if one has started."""
        if not self._comes_first(ticket_id, "cancelled"):
            return False
        self.free_all([ticket_id])
        return True

    def claim(
        self,
        key: str,
        ticket_id: str,
        seconds: float,
        *,
        until: str | None = None,
        queue: str = "",
    ) -> str:
        """Take *key* for a message, unless another has it; return the ticket of who has it."""
        name = f"{self._prefix}key:{key}"
        for _ in range(_TRIES):
            added = self._cache.add(name, ticket_id, math.ceil(seconds))
            # Its time may be over just now.
            owner = ticket_id if added else self._cache.get(name)
            # Also where it was not added: a client whose answer was lost has asked again.
            if owner == ticket_id:
                # By which it is found when all that is known is the message.
                self._cache.add(self._key_of(ticket_id), key, math.ceil(seconds))
            if owner is not None:
                return str(owner)
        raise EnvironmentFailure(
            f"Queue {queue!r}: the cache says that a unique key exists, but returns none"
        )

    def free(self, key: str, ticket_id: str) -> None:
        """Give *key* back, if that message has it."""
        name = f"{self._prefix}key:{key}"
        if self._cache.get(name) == ticket_id:
            self._cache.delete(name)

    def free_all(self, ticket_ids: Sequence[str]) -> None:
        """Give back whatever keys these messages have."""
        for ticket_id in ticket_ids:
            if (key := self._cache.get(self._key_of(ticket_id))) is not None:
                self.free(str(key), ticket_id)
                self._cache.delete(self._key_of(ticket_id))

    def _key_of(self, ticket_id: str) -> str:
        return f"{self._prefix}key-of:{ticket_id}"

    def _comes_first(self, ticket_id: str, what: str) -> bool:
        key = self._prefix + ticket_id
        for _ in range(_TRIES):
            if self._cache.add(key, what, self._seconds):
                return True
            # Some caches say no where they could not write; only what is there decides.
            if (found := self._cache.get(key)) is not None:
                return bool(found == what)
        raise EnvironmentFailure("The cache does not store the note of a ticket")
