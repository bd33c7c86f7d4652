"""Freeing: a message that nobody will run any more gives back its key of ``unique=``."""

from __future__ import annotations

from typing import Protocol

from ..messages.base import Delivery
from ..transport.sending.trail import STARTED, TRAIL, Trail
from .ends_of_keys import say_kept
from .tickets import TicketStore, is_id


class _Registry(Protocol):
    @property
    def tickets(self) -> TicketStore | None:
        """Where keys are kept."""


class _Registered(Protocol):
    @property
    def receivers(self) -> _Registry:
        """The registry that it belongs to."""


def frees_key(delivery: Delivery) -> bool:
    """Whether a message says that it gives back a key."""
    return Trail.of(delivery.sqs_message.get("MessageAttributes")).frees is not None


def free_at_end(registered: _Registered, delivery: Delivery, raised: BaseException | None) -> None:
    """Give back the key of a message before it is deleted, or left to the dead letters.

    Nothing is raised: a key that cannot be given back is free after its time.

    :param raised: what its receiver, or the way to it, raised.
    """
    attributes = delivery.sqs_message.get("MessageAttributes")
    if not attributes or TRAIL not in attributes:
        return
    trail = Trail.of(attributes)
    # One that is free when its receiver starts is so, unless that never came to be.
    if trail.frees is None or (trail.frees == STARTED and raised is None):
        return
    store = registered.receivers.tickets
    if store is None or trail.id is None or not is_id(trail.id):
        return
    try:
        if (note := store.note_of_end(trail.id)) is not None:
            delivery.also_note(note)
    except Exception as exc:  # noqa: BLE001 - a database or a cache that is away
        say_kept(trail.id, exc)
