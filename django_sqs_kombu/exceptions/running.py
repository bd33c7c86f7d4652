"""Running: what becomes of a message whose receiver does not return as it should."""

from __future__ import annotations

from ..printable import overrun
from .base import NotTriedAgain, SQSError


class TimedOut(Exception):
    """Raised inside a receiver that runs longer than its ``timeout``.

    :param seconds: the time limit that was exceeded.
    :param ran: how many seconds it has run in the end; None: not known.
    """

    def __init__(self, seconds: float | None = None, ran: float | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.ran = ran

    def __str__(self) -> str:
        return overrun(self.seconds, self.ran)


class KilledItsProcess(NotTriedAgain):
    """A message in whose receiver several processes have died.

    :ivar deaths: how many.
    """

    def __init__(self, deaths: int) -> None:
        super().__init__(
            f"{deaths} processes died while they handled this message, so it is not tried again"
        )
        self.deaths = deaths


class ReceiverReturnedGenerator(SQSError, TypeError):
    """A receiver returned a generator, so none of it has run.

    :ivar queue: the queue's name.
    """

    def __init__(self, queue: str, receiver: object) -> None:
        name = getattr(receiver, "__qualname__", repr(receiver))
        super().__init__(
            f"The receiver {name} of queue {queue!r} returned a generator, so none of it has run. "
            "Remove its yield, or make the receiver a function that loops over the generator."
        )
        self.queue = queue


class ReceiverFailed(SQSError):
    """Replaces an exception of a receiver in another process that could not be sent here.

    :ivar kind: its class, or the closest base class that is known here.
    """

    def __init__(self, text: str, kind: type[BaseException] | None = None) -> None:
        super().__init__(text, kind)
        self.kind = kind


def kind_of(raised: BaseException) -> type[BaseException]:
    """The class of what was raised; of what was raised in another process, too."""
    if isinstance(raised, ReceiverFailed) and raised.kind is not None:
        return raised.kind
    return type(raised)


class TooOldToSendAgain(NotTriedAgain):
    """A message that would have expired in its queue by now if it had not been sent again.

    :ivar retention: seconds that the queue keeps a message.
    """

    def __init__(self, queue: str, message_id: str, retention: float) -> None:
        super().__init__(
            f"Message {message_id} of queue {queue!r} is not sent again: by then it would be "
            f"older than the {retention:,g} s for which its queue keeps a message"
        )
        self.queue = queue
        self.message_id = message_id
        self.retention = retention
