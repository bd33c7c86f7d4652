"""Dropping: whether a message is to be deleted unrun, asked before it is read; and its key."""

from __future__ import annotations

from ..drops import MessageCancelled, MessageExpired
from ..exceptions import EnvironmentFailure
from ..printable import repr_of
from ..transport.sending.expiring import has_expired
from ..transport.sending.trail import STARTED, TRAIL, Trail
from .failure import is_dead_letter
from .registered import Received, Registered
from .tickets import TicketStore, is_id


def why_dropped(registered: Registered, delivery: Received) -> Exception | None:
    """Why no receiver is to start with *delivery* now; None: it starts."""
    attributes = delivery.sqs_message.get("MessageAttributes")
    if not attributes or TRAIL not in attributes:
        return None
    trail = Trail.of(attributes)
    # A dead letter is not late: whoever looks after them gets it, however long it took.
    if trail.expires is not None and has_expired(trail) and not is_dead_letter(delivery):
        return MessageExpired(trail.expires)
    store = registered.receivers.tickets
    if store is not None and trail.ticket and trail.id is not None and is_id(trail.id):
        return _why_cancelled(store, trail.id)
    return None


def free_at_start(registered: Registered, delivery: Received) -> None:
    """Give back the key of a message that has it until it is started.

    When its body was read, so that a receiver surely gets it, and before that reads anything: who
    was told that it waits relies on what it will read.

    :raises EnvironmentFailure: it cannot be given back now.
    """
    attributes = delivery.sqs_message.get("MessageAttributes")
    if not attributes or TRAIL not in attributes:
        return
    trail, store = Trail.of(attributes), registered.receivers.tickets
    if trail.frees != STARTED or store is None or trail.id is None or not is_id(trail.id):
        return
    try:
        store.free_at_start(trail.id)
    except Exception as exc:
        raise _later("Its unique key cannot be given back", exc) from exc


def _why_cancelled(store: TicketStore, ticket_id: str) -> Exception | None:
    try:
        starts = store.start(ticket_id)
    except Exception as exc:  # noqa: BLE001 - a database or a cache that is away
        return _later("Cannot find out whether it was cancelled", exc)
    return None if starts else MessageCancelled(ticket_id)


def _later(why: str, exc: Exception) -> EnvironmentFailure:
    error = EnvironmentFailure(f"{why}: {repr_of(exc)}")
    error.__cause__ = exc
    return error
