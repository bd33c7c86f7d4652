"""Trail: what a message carries of its way, in one message attribute of ours.

SQS takes ten message attributes, and most are the sender's.  So whatever this library has to
tell of a message that it delays or sends again stands in one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...exceptions import MOST_CURSOR
from ...printable import line

#: The message attribute.
TRAIL = "django_sqs.trail"
#: Longer ones are nobody's: an id, three times, two numbers and a cursor are shorter.
_LONGEST = 500 + MOST_CURSOR
#: The longest id; what is longer is cut, and what is not printable is escaped.
LONGEST_ID = 100
#: When a message gives back its key of ``unique=``: as a receiver starts with it, or at its end.
STARTED, FINISHED = "started", "finished"
#: A larger number is nobody's, either.
_MOST_RESTARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Trail:
    """What a message carries of its way.

    Whoever may write to a queue may write any trail, so an odd one counts as far as it is
    right, and what is due or was sent is bounded by SQS's own time of the sending.

    :param id: the id by which the message is known, however often it is sent; None: SQS's.
    :param due: when it is due, in seconds since the epoch; None: at once.
    :param sent: when it was first sent, in seconds since the epoch; None: when SQS says.
    :param restarts: how often it was sent again to be restarted.
    :param tries: how often it had been tried when it was last sent.
    :param cursor: where its receiver is to go on; None: at the beginning.
    :param expires: when it is too late to start its receiver, in seconds since the epoch; None:
        never.
    :param ticket: whether its sender may have cancelled it, which its id tells.
    :param frees: when it gives back its key of ``unique=``, :data:`STARTED` or :data:`FINISHED`;
        None: it has none, or that is kept until its time is over.
    """

    id: str | None = None
    due: float | None = None
    sent: float | None = None
    restarts: int = 0
    tries: int = 0
    cursor: Any = None
    expires: float | None = None
    ticket: bool = False
    frees: str | None = None

    def attribute(self) -> dict[str, str]:
        """The message attribute that carries it."""
        facts = {
            "id": self.id,
            "due": None if self.due is None else round(self.due, 3),
            "sent": None if self.sent is None else round(self.sent, 3),
            "restarts": self.restarts or None,
            "tries": self.tries or None,
            "cursor": self.cursor,
            "expires": None if self.expires is None else round(self.expires, 3),
            "ticket": self.ticket or None,
            "frees": self.frees,
        }
        known = {name: value for name, value in facts.items() if value is not None}
        return {"DataType": "String", "StringValue": json.dumps(known, separators=(",", ":"))}

    def __bool__(self) -> bool:
        """Whether there is anything to carry."""
        return self is not EMPTY and self != EMPTY

    @classmethod
    def of(cls, attributes: Mapping[str, Any] | None) -> Trail:
        """The trail among the message *attributes*; an empty one where there is none."""
        if not attributes or TRAIL not in attributes:
            return EMPTY
        attribute = attributes[TRAIL]
        facts = _facts(attribute) if isinstance(attribute, Mapping) else {}
        return cls(
            _id(facts.get("id")),
            _time(facts.get("due")),
            _time(facts.get("sent")),
            _count(facts.get("restarts")),
            _count(facts.get("tries")),
            facts.get("cursor"),
            _time(facts.get("expires")),
            facts.get("ticket") is True,
            frees if (frees := facts.get("frees")) in (STARTED, FINISHED) else None,
        )

    @classmethod
    def received(cls, message: Mapping[str, Any]) -> Trail:
        """The trail of a received *message*; id and time of the sending are SQS's at least."""
        trail = cls.of(message.get("MessageAttributes"))
        stamp = _time_of_sending(message)
        sent = min((time for time in (trail.sent, stamp) if time is not None), default=None)
        return replace(trail, id=trail.id or message.get("MessageId"), sent=sent)


#: That of a message that carries nothing.
EMPTY = Trail()


def _facts(attribute: Mapping[str, Any]) -> dict[str, Any]:
    text = attribute.get("StringValue")
    if not isinstance(text, str) or len(text) > _LONGEST:
        return {}
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _id(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    # It is logged, and no database takes all that JSON can hold: a NUL, or half a character.
    return line(value[:LONGEST_ID])[:LONGEST_ID]


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value <= _MOST_RESTARTS else 0


def _time(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _time_of_sending(message: Mapping[str, Any]) -> float | None:
    try:
        return int((message.get("Attributes") or {})["SentTimestamp"]) / 1000
    except (KeyError, TypeError, ValueError):
        return None
