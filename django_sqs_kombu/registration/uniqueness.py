"""Uniqueness: of messages with the same key one is sent, and the others' senders are told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..exceptions import (
    BatchInterrupted,
    ConfigurationError,
    MessageEncodeError,
    RequestFailed,
    SQSError,
    TimedOut,
)
from ..logs import get_logger
from ..transport.sending.checks import brief, check_text
from ..transport.sending.trail import FINISHED, STARTED
from ..transport.sqs.send_requests import may_be_accepted
from ..working.tickets import NEEDED, Ticket, TicketStore

logger = get_logger(__name__)

#: The longest key, in characters, and the longest time, in seconds: a year.
LONGEST_KEY, LONGEST = 1_000, 366 * 86_400
_UNTIL = (STARTED, FINISHED)


@dataclass(frozen=True, slots=True)
class Unique:
    """What a message is the only one of.

    :param key: of its queue, as its sender named it.
    :param seconds: for how long no other is sent, counted from its own sending.
    :param until: what lets another be sent before, :data:`STARTED` or :data:`FINISHED`; None:
        nothing does.
    """

    key: str
    seconds: float
    until: str | None = None

    @classmethod
    def read(cls, key: Any, unique_for: Any, until: Any = None) -> Unique | None:
        """What a send was told; None: nothing.

        :raises MessageEncodeError: it cannot be.
        """
        if until is not None and key is None:
            raise MessageEncodeError(
                "unique_until needs unique and unique_for, since it says when their key is free "
                "again"
            )
        if key is None and unique_for is None:
            return None
        if key is None or unique_for is None:
            raise MessageEncodeError(
                "unique and unique_for go together: a key, and how long it is held"
                + (" at most" if until is not None else "")
            )
        check_text(key, "unique")
        if not 0 < len(key) <= LONGEST_KEY:
            raise MessageEncodeError(
                f"unique must be text of 1 to {LONGEST_KEY:,} characters, not {len(key):,}"
            )
        seconds = unique_for.total_seconds() if isinstance(unique_for, timedelta) else unique_for
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise MessageEncodeError(
                f"unique_for must be a number of seconds or a timedelta, not {brief(unique_for)}"
            )
        if not 0 < seconds <= LONGEST:
            raise MessageEncodeError(
                f"unique_for must be above 0 and at most {LONGEST:,} seconds, not "
                f"{brief(unique_for)}"
            )
        if until is not None and until not in _UNTIL:
            raise MessageEncodeError(
                f"unique_until must be {' or '.join(map(repr, _UNTIL))}, not {brief(until)}"
            )
        return cls(key, float(seconds), until)

    def check_delay(self, delay: float | None) -> None:
        """Raise :class:`MessageEncodeError` where the message may begin after its key's time."""
        if self.until is not None and delay is not None and self.seconds <= delay:
            raise MessageEncodeError(
                f"unique_for: {self.seconds:g} seconds end before the message can be received, "
                f"which is after its delay of {delay:g} seconds, so unique_until={self.until!r} "
                "would have no effect. Make it longer than the delay and the longest time that "
                "the message may wait and run together."
            )

    def check_deduplication(self, deduplication_id: str | None) -> None:
        """Raise :class:`MessageEncodeError` where SQS may drop the message that takes the key."""
        if self.until is not None and deduplication_id is not None:
            raise MessageEncodeError(
                f"unique_until={self.until!r} cannot be combined with deduplication_id: after the "
                "first message has given its key back, SQS would accept but drop another one "
                "with the same id, and nothing would free the key that this one took. Leave out "
                "one of the two."
            )

    def digest(self, queue: str) -> str:
        """By which the key of a queue, named as in SQS, is kept: of one length, and any text."""
        return hashlib.sha256(f"{queue}\n{self.key}".encode()).hexdigest()


def claimed(
    ticket: Ticket, queue: str, unique: Unique | None, send: Callable[[], object]
) -> Ticket:
    """Send a message, unless there is another of its key; return its ticket, or that one's.

    :param ticket: the message's.
    :param queue: named as in SQS.
    """
    if unique is None:
        send()
        return ticket
    store, key = store_of(ticket), unique.digest(queue)
    try:
        owner = store.claim(key, str(ticket.id), unique.seconds, until=unique.until, queue=queue)
    except SQSError:
        raise
    except BaseException as exc:
        _unclaim(store, key, ticket, queue, unique, exc)
        raise
    if owner != ticket.id:
        logger.info(
            "Queue %s: a message is not sent, because another one holds its unique key", queue
        )
        return replace(ticket, id=owner, sent=False)
    send()
    return ticket


def _unclaim(
    store: TicketStore, key: str, ticket: Ticket, queue: str, unique: Unique, exc: BaseException
) -> None:
    """Let another message of a key be sent, which the store may have taken before it failed."""
    try:
        store.unclaim(key, str(ticket.id), exc)
    except Exception as other:  # noqa: BLE001 - it is away still
        logger.warning(
            "Queue %s: a message was not sent, and it is not known whether its unique key is "
            "taken: if so, others with that key are not sent for %g s: %r",
            queue,
            unique.seconds,
            other,
        )


def freeing(ticket: Ticket, queue: str, unique: Unique, send: Callable[[], object]) -> None:
    """Send what was claimed; where SQS surely has it not, another with its key can be sent."""
    try:
        send()
    except BaseException as exc:
        _free_unless_there(ticket, queue, unique, exc)
        raise


def on_failure(
    ticket: Ticket, queue: str, unique: Unique
) -> Callable[[Sequence[tuple[Any, SQSError | None]]], None]:
    """What frees the key when the end of a batch does not send the message."""

    def heard(ends: Sequence[tuple[Any, SQSError | None]]) -> None:
        for _, error in ends:
            if error is not None:
                _free_unless_there(ticket, queue, unique, error)

    return heard


def may_be_there(exc: BaseException) -> bool:
    """Whether SQS may have a message whose sending ended in *exc*: its answer is not known."""
    if isinstance(exc, RequestFailed):
        return may_be_accepted(exc)
    # A receiver's deadline, or Ctrl-C, may strike while the answer is waited for.
    return isinstance(exc, BatchInterrupted | TimedOut) or not isinstance(exc, Exception)


def _free_unless_there(ticket: Ticket, queue: str, unique: Unique, exc: BaseException) -> None:
    if not may_be_there(exc):
        free(ticket, queue, unique)
        return
    logger.warning(
        "Queue %s: it is not known whether SQS accepted a message with a unique key, and others "
        "with that key are not sent until it ends, or for %g s: %r",
        queue,
        unique.seconds,
        exc,
    )


def free(ticket: Ticket, queue: str, unique: Unique) -> None:
    """Let another message of a key be sent; where that fails, it is after its time."""
    try:
        store_of(ticket).free(unique.digest(queue), str(ticket.id))
    except Exception as exc:  # noqa: BLE001 - a database or a cache that is away, or a transaction
        logger.warning(
            "Queue %s: a message was not sent, but its unique key could not be freed, so others "
            "with that key are not sent for %g s: %r",
            queue,
            unique.seconds,
            exc,
        )


def store_of(ticket: Ticket) -> TicketStore:
    """Where keys are kept."""
    if ticket.store is None:
        raise ConfigurationError(NEEDED)
    return ticket.store
