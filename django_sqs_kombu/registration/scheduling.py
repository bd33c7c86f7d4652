"""Scheduling: what sends a message to a registered queue at the times of its schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from ..exceptions import ConfigurationError
from ..messages.base import RawMessage
from ..messages.boto import MHMessage
from ..names import FIFO
from ..working.schedule import Schedule
from ..working.slots import LONGEST_CATCH_UP

#: Stands for each: their messages differ in the time alone.
_ANY_SLOT = datetime(2000, 1, 1, tzinfo=timezone.utc)


class Scheduling:
    """The part of a registered queue that is about its schedule.

    Without a database each slot is sent by every process under one deduplication id, and SQS
    keeps the first.
    """

    name: str
    schedule: Schedule | None
    message_class: type[RawMessage]
    #: Sends a message.
    send: Callable[..., object]

    @property
    def sends_slots(self) -> bool:
        """Whether SQS sees to it that each slot is sent once."""
        return True

    def slot_options(self, slot: datetime) -> dict[str, Any]:
        """What :meth:`send` is to be given for a slot: its time as text, or ``{"slot": ...}``."""
        text = slot.isoformat()
        body: Any = {"slot": text} if issubclass(self.message_class, MHMessage) else text
        if not self.name.endswith(FIFO):
            return {"body": body}
        number = f"schedule-{int(slot.timestamp())}"
        return {"body": body, "group_id": "schedule", "deduplication_id": number}

    def send_slot(self, slot: datetime) -> None:
        """Send the message of a slot."""
        self.send(**self.slot_options(slot))

    def check_slot_message(self) -> None:
        """Raise :class:`ConfigurationError` where the message class carries no slot."""
        try:
            self.message_class(body=self.slot_options(_ANY_SLOT)["body"]).dump()
        except Exception as exc:
            what = "model=" if getattr(self.message_class, "model", None) else "message class"
            raise ConfigurationError(
                f"Queue {self.name!r}: a schedule sends its time as text, which the {what} "
                f"({self.message_class.__name__}) does not accept: {exc}. Use RawMessage or "
                "JSONMessage, and have the receiver send the other message."
            ) from exc

    def check_slots(self, catch_up: timedelta | None) -> None:
        """Raise :class:`ConfigurationError` where SQS cannot see to it that each is sent once.

        :param catch_up: as it was said, if it was.
        """
        if wrong := slots_problem(self.name, catch_up):
            raise ConfigurationError(f"Queue {self.name!r}: {wrong}")


def slots_problem(name: str, catch_up: timedelta | None) -> str | None:
    """Why SQS cannot send each slot of queue *name* once, and what to do; None: it can."""
    if not name.endswith(FIFO):
        return (
            "a schedule needs a FIFO queue, which deduplicates what many processes send, or a "
            f"database. Name the queue {name + FIFO!r}, or use Django with django_sqs.schedules"
        )
    if catch_up is not None and catch_up > LONGEST_CATCH_UP:
        return (
            f"catch_up={catch_up} is more than {LONGEST_CATCH_UP}: SQS forgets after 5 minutes "
            "which slots were sent. Lower it, or use Django with django_sqs.schedules"
        )
    return None
