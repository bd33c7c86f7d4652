"""Ticketing: which messages can be cancelled, and by what ticket."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from ..exceptions import ConfigurationError
from ..quotas import MAX_ATTRIBUTES
from ..rules import check, flag, optional
from ..working.registered import Registered
from ..working.tickets import NEEDED, Ticket, acancel, cancel
from .outgoing import Outgoing

_RULES = {"ticket": optional(flag)}


class Cancelling:
    """The part of a registered queue that cancels what was sent to it."""

    receivers: Any

    def cancel(self, ticket_id: str | UUID) -> bool:
        """Cancel what was sent with a ticket, by its id; see :meth:`Ticket.cancel`."""
        return cancel(self.receivers.tickets, ticket_id)

    async def acancel(self, ticket_id: str | UUID) -> bool:
        """Do as :meth:`cancel`, from asynchronous code."""
        return await acancel(self.receivers.tickets, ticket_id)


def ticket_of(registered: Registered, outgoing: Outgoing) -> Ticket:
    """The ticket of a message to a queue; one without an id where it cannot be cancelled."""
    ticket_id = outgoing.id if outgoing.ticket else None
    return Ticket(registered.name, ticket_id, store=registered.receivers.tickets)


def is_ticketed(
    registered: Registered,
    wanted: bool | None,
    unique: Any,
    delay: Any,
    attributes: Collection[Any] | None,
) -> bool:
    """Whether a message can be cancelled.

    :param wanted: what its sender says; None: a delayed one can be, where it may.
    :param unique: its key, for which it needs a ticket.
    :raises ConfigurationError: it is to be, and there is no store of tickets; or it has a key, and
        its sender says that it has no ticket.
    """
    check(f"Queue {registered.name!r}: ", _RULES, {"ticket": wanted})
    store = registered.receivers.tickets
    if unique is not None:
        if wanted is not None and not wanted:
            raise ConfigurationError(
                f"Queue {registered.name!r}: ticket=False cannot be combined with unique=: the "
                "ticket "
                "says which message has the key. Leave ticket out."
            )
        wanted = True
    if wanted is None:
        return store is not None and bool(delay) and len(attributes or ()) < MAX_ATTRIBUTES
    if wanted and store is None:
        what = "ticket=True" if unique is None else "unique="
        raise ConfigurationError(f"Queue {registered.name!r}: {what}: {NEEDED}")
    return bool(wanted)
