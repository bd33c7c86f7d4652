"""Failure: why a dead letter is one, written in one of its message attributes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from ..exceptions import kind_of
from ..printable import text_of, traceback_of
from ..transport.sending.resending import Delivery
from ..transport.sending.trail import Trail
from ..transport.sqs.received import moved_from

#: The message attribute, and the header of an envelope where there is no place for it.
FAILURE = "django_sqs.failure"
#: The most characters of an exception's text, and of the end of its traceback.
MOST_TEXT, MOST_TRACEBACK = 1_000, 8_000
#: Longer ones are not read: they are nobody's.
_LONGEST = 100_000
#: No time is later: the year 9999 in seconds since the epoch.
_LATEST = 253_402_300_799


class Letter(Protocol):
    """What must be known of a delivery to tell whether it is a dead letter."""

    @property
    def queue(self) -> str:
        """The name of the queue that it was received from."""

    @property
    def sqs_message(self) -> Mapping[str, Any]:
        """The message as ReceiveMessage returned it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message is a dead letter.

    It is written as JSON, with these names, into the message attribute
    ``django_sqs.failure``.  Anyone who may write to the queue can write this, too, so trust it
    no more than a message's body.

    :param error: the exception's class, with its module.
    :param text: its text, cut after 1,000 characters.
    :param traceback: the last 8,000 characters of its traceback.
    :param queue: the name in SQS of the queue that it was received from.
    :param id: the id by which the message was known there.
    :param receives: how often it was received, including the last time.
    :param sent: when it was first sent, in seconds since the epoch; None: SQS did not say.
    :param failed: when it failed for the last time, in seconds since the epoch.
    """

    error: str = ""
    text: str = ""
    traceback: str = ""
    queue: str = ""
    id: str = ""
    receives: int = 0
    sent: float | None = None
    failed: float | None = None

    @classmethod
    def of(cls, delivery: Delivery, raised: BaseException, receives: int) -> Failure:
        """Why *delivery*, at which *raised* was raised, becomes a dead letter."""
        trail = Trail.received(delivery.sqs_message)
        return cls(
            error=_name(raised),
            text=text_of(raised)[:MOST_TEXT],
            traceback=traceback_of(raised)[-MOST_TRACEBACK:],
            queue=delivery.queue,
            id=str(trail.id or delivery.message_id),
            receives=receives,
            sent=trail.sent,
            failed=round(time.time(), 3),
        )

    @classmethod
    def read(cls, attributes: Mapping[str, Any] | None) -> Failure | None:
        """The failure among the message *attributes* of a dead letter, if it has one."""
        attribute = (attributes or {}).get(FAILURE)
        text = attribute.get("StringValue") if isinstance(attribute, Mapping) else None
        if not isinstance(text, str) or len(text) > _LONGEST:
            return None
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return cls.known(facts) if isinstance(facts, dict) else None

    @classmethod
    def known(cls, facts: Mapping[str, Any]) -> Failure:
        """The failure that *facts* are, as far as they have the right types."""
        receives = facts.get("receives")
        return cls(
            error=_text_of(facts, "error"),
            text=_text_of(facts, "text"),
            traceback=_text_of(facts, "traceback"),
            queue=_text_of(facts, "queue"),
            id=_text_of(facts, "id"),
            receives=receives if type(receives) is int else 0,
            sent=_time_of(facts, "sent"),
            failed=_time_of(facts, "failed"),
        )

    def without_traceback(self) -> Failure:
        """The same, shorter."""
        return replace(self, traceback="")

    def facts(self) -> dict[str, Any]:
        """What is known, by name."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}

    def attribute(self) -> dict[str, str]:
        """The message attribute that carries it."""
        return {
            "DataType": "String",
            "StringValue": json.dumps(self.facts(), separators=(",", ":")),
        }


def origin_of(message: Mapping[str, Any]) -> str:
    """The name in SQS of the queue that a dead letter says it comes from; empty: it says none.

    :param message: as ReceiveMessage returned it.
    """
    if origin := moved_from(message):
        return origin
    told = Failure.read(message.get("MessageAttributes"))
    return told.queue if told else ""


def is_dead_letter(delivery: Letter) -> bool:
    """Whether a message says that it comes from another queue than it was received from."""
    return origin_of(delivery.sqs_message) not in ("", delivery.queue)


def _text_of(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def _time_of(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LATEST else None


def _name(raised: BaseException) -> str:
    kind = kind_of(raised)
    return f"{kind.__module__}.{kind.__qualname__}"
