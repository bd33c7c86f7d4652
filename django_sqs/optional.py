"""What optional apps announce in their ``ready()``, so that nothing below imports them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from django.apps import apps

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.registration import Outgoing, RegisteredQueue
from django_sqs_kombu.working import TicketStore

T = TypeVar("T")


class Announced(Generic[T]):
    """A place for what optional apps offer.

    An app that is not in INSTALLED_APPS any more, as in a test, offers nothing.
    """

    def __init__(self) -> None:
        #: By app and part.
        self._offers: dict[tuple[str, str], T] = {}

    def announce(self, app: str, offer: T, part: str = "") -> None:
        """Offer *offer* for *app*, instead of what it offered before.

        :param app: as it is in INSTALLED_APPS.
        :param part: of the app, where it offers several.
        """
        self._offers[app, part] = offer

    def of(self, app: str, wanted_by: str) -> T:
        """What *app* offers.

        :param wanted_by: who needs it, for the error.
        :raises ConfigurationError: the app is not installed.
        """
        if (app, "") not in self._offers or not apps.is_installed(app):
            raise ConfigurationError(f"{wanted_by} needs {app!r} in INSTALLED_APPS")
        return self._offers[app, ""]

    def all(self) -> list[T]:
        """What the installed apps offer."""
        return [offer for (app, _), offer in self._offers.items() if apps.is_installed(app)]


class Outbox(Protocol):
    """Where messages are written to be sent after the commit."""

    def write(
        self,
        registered: RegisteredQueue,
        suffix: str | None,
        message: Outgoing,
        *,
        using: str | None = None,
    ) -> None:
        """Write a message."""

    def write_many(
        self,
        registered: RegisteredQueue,
        suffix: str | None,
        messages: Iterable[Outgoing],
        *,
        using: str | None = None,
    ) -> int:
        """Write messages, all or none; return how many."""

    def database(self, using: str | None) -> str:
        """The alias of the database that is written to where *using* was asked for."""

    def withdraw(self, message_id: str, using: str) -> None:
        """Delete a message that no relay has begun to send from the database *using*."""


class RunOnce(Protocol):
    """Runs a receiver on those of its messages that were not received before."""

    def __call__(
        self, queue: str, messages: list[RawMessage], receive: Callable[[list[RawMessage]], Any]
    ) -> Any:
        """Return what *receive* returns, or None where it was not called."""


@dataclass(slots=True)
class Gauge:
    """A metric that goes up and down.

    :param name: with its unit, as Prometheus's.
    :param meaning: one sentence.
    :param labels: their names.
    :param values: by the values of the labels.
    """

    name: str
    meaning: str
    labels: tuple[str, ...]
    values: dict[tuple[str, ...], float] = field(default_factory=dict)


#: Further metrics of a worker's port.
metrics: Announced[Callable[[], Iterable[Gauge]]] = Announced()
#: Tells how many failed messages of each registered queue wait for a decision.
waiting_failures: Announced[Callable[[], Mapping[str, int]]] = Announced()
#: For ``outbox=True``.
outboxes: Announced[Outbox] = Announced()
#: Have messages cancelled.
tickets: Announced[TicketStore] = Announced()
#: For ``once=True``.
inboxes: Announced[RunOnce] = Announced()
#: Wake the workers of a queue, named as in SQS, that rest, and tell whether they were called.
wakers: Announced[Callable[[str], bool]] = Announced()


#: Stands behind a queue's name, where workers are told that it was paused or resumed.  No name
#: of a queue has it.
PAUSES = "/pauses"


def tell_of_pause(full_name: str) -> None:
    """Have the workers of a queue, named as in SQS, look whether it is paused."""
    for wake in wakers.all():
        wake(full_name + PAUSES)
