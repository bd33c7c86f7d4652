"""Registering: queues whose names are wrong or not known, or that do not receive."""

from __future__ import annotations

from ..printable import meant
from .base import ConfigurationError, SQSError


class UnknownSuffixWarning(RuntimeWarning):
    """A queue name suffix was used that the queue was not registered with."""


class QueueNameError(ConfigurationError):
    """A queue name that SQS would refuse.

    :ivar name: the full name, including prefix and suffix.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Illegal SQS queue name {name!r}: {reason}")
        self.name = name


class UnknownQueue(SQSError, KeyError):
    """A queue name that was never registered.

    :ivar name: the name asked for.
    :ivar known: the registered names.
    """

    def __init__(self, name: str, known: tuple[str, ...], cause: str = "") -> None:
        super().__init__(
            f"No queue {name!r} is registered (registered: {', '.join(sorted(known)) or 'none'})."
            f"{meant(name, known)} Register queues with @receiver(...) or register(...) in a "
            f"module that is imported, such as receivers.py{cause}."
        )
        self.name = name
        self.known = known


class NoReceiver(SQSError):
    """A queue that is registered only for sending was asked to receive.

    :ivar name: the queue's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Queue {name!r} has no receiver: it was registered for sending only. "
            "Give register() a function, or decorate one with @receiver."
        )
        self.name = name
