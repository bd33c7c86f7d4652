"""Ends of keys: keys of ``unique=`` that messages give back at their end, written as notes are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..logs import get_logger

logger = get_logger(__name__)

#: Seconds for which a store may fail until keys are left to their time: a message that is held
#: for its key alone runs again in the end.
PATIENCE = 120.0
#: The same where a stop waits for it, which it does for 10 seconds.
STOP_PATIENCE = 3.0


class Freeing(Protocol):
    """A store of keys."""

    def free_all(self, ticket_ids: Sequence[str]) -> None:
        """Give back whatever keys these messages have."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A message that nobody will run any more.

    :param store: which has its key.
    """

    store: Freeing
    ticket_id: str


class KeyWriter:
    """Gives keys back, those of a store together; a writer of notes."""

    def __init__(self) -> None:
        #: Since when stores fail, by the monotonic clock; any thread that writes changes it.
        self._failing: dict[int, float] = {}

    def write(self, contents: Sequence[Ended]) -> None:
        """Give back all of them.

        :raises Exception: some could not be, and are tried again.
        """
        by_store: dict[int, list[Ended]] = {}
        for ended in contents:
            by_store.setdefault(id(ended.store), []).append(ended)
        failure: Exception | None = None
        for key, some in by_store.items():
            try:
                some[0].store.free_all([each.ticket_id for each in some])
            except Exception as exc:  # noqa: BLE001 - a database or a cache that is away
                now = time.monotonic()
                if now - self._failing.setdefault(key, now) < PATIENCE:
                    failure = exc
                    continue
                for each in some:
                    say_kept(each.ticket_id, exc)
            else:
                self._failing.pop(key, None)
        if failure is not None:
            raise failure

    def forgo(self, contents: Sequence[Ended], why: Exception) -> bool:
        """Leave the keys to their time, where a stop waits for the messages to be deleted."""
        now = time.monotonic()
        failing = [self._failing.get(id(each.store), now) for each in contents]
        if now - min(failing) < STOP_PATIENCE:
            return False
        for each in contents:
            say_kept(each.ticket_id, why)
        return True

    def rest(self) -> None:
        """Nothing is kept open."""


def say_kept(ticket_id: str, exc: Exception) -> None:
    """Log that a key was not given back."""
    logger.warning(
        "The unique key of the message with ticket %s could not be given back, and is held until "
        "unique_for is over: %r",
        ticket_id,
        exc,
    )


#: One writer for all stores: the notes of a channel are written together.
KEYS = KeyWriter()
