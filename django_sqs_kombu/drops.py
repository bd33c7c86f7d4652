"""Why a message is dropped without its receiver having run on it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import ClassVar

from .exceptions import SQSError


class MessageDropped(SQSError):
    """A message is deleted without being run, as its sender wanted.

    It is not a failure: nothing is dead-lettered or recorded as failed, and no breaker counts it.

    :cvar operation: what happened to the message, as one word for metrics.
    """

    operation: ClassVar[str] = "dropped"


class MessageExpired(MessageDropped):
    """Its receiver would start later than the ``expires=`` that it was sent with.

    :ivar expired: when it expired, in seconds since the epoch; *when*: the same, written out.
    """

    operation = "expired"

    def __init__(self, expired: float) -> None:
        # Whoever may send writes any number, also one that is no time.
        try:
            when = f"{datetime.fromtimestamp(expired, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
        except (OverflowError, OSError, ValueError):
            when = f"{expired:g}"
        super().__init__(f"it expired at {when}")
        self.expired = expired
        self.when = when

    def __reduce__(self) -> tuple[type[MessageExpired], tuple[float]]:
        return type(self), (self.expired,)


class MessageCancelled(MessageDropped):
    """Its sender has cancelled it before a receiver started.

    :ivar ticket_id: the id of its ticket.
    """

    operation = "cancelled"

    def __init__(self, ticket_id: str) -> None:
        super().__init__("it was cancelled")
        self.ticket_id = ticket_id

    def __reduce__(self) -> tuple[type[MessageCancelled], tuple[str]]:
        return type(self), (self.ticket_id,)
