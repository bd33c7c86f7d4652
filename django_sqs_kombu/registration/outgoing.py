"""Sending: what is told of a message besides its content, for one or for many."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..exceptions import MessageEncodeError, TimedOut
from ..messages.base import PLAIN, RawMessage
from ..names import DEFAULT_GROUP, FIFO
from ..quotas import MAX_ATTRIBUTES, MAX_DELAY
from ..transport.body.payloads import OLD_SIZE_ATTRIBUTE, SIZE_ATTRIBUTE
from ..transport.sending.bulk import unmade
from ..transport.sending.checks import (
    check_attributes,
    check_identifier,
    check_text,
    seconds_of,
)
from ..transport.sending.expiring import expiry_of
from ..transport.sending.parameters import DUE, EXPIRES, FREES, ID, TICKET
from ..working.tickets import new_id
from .uniqueness import Unique

#: Names of message attributes that are this library's, and of the Extended Client's.
_RESERVED_PREFIX, _RESERVED = "django_sqs.", frozenset({SIZE_ATTRIBUTE, OLD_SIZE_ATTRIBUTE})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it is to be sent; it checks itself when it is made.

    :param body: its text.
    :param content_type: what the text is.
    :param delay: seconds until it can be received, 14 days at most; None: at once.
    :param group_id: its message group, in a FIFO queue; in another its group of a fair queue.
    :param deduplication_id: its deduplication id, in a FIFO queue.
    :param attributes: its SQS message attributes, text by name.
    :param id: the id by which it is to be known, however often it is sent; None: SQS's.
    :param expires: when it is too late to start its receiver, in seconds since the epoch; None:
        never.
    :param ticket: whether it can be cancelled by its id.
    :param unique: of what it is the only one, if of anything; then it has an id.
    :param frees: when it gives back its key; None: it has none, or keeps it for its time.
    :raises MessageEncodeError: SQS would not take it; the error names the argument.
    """

    body: str
    content_type: str
    delay: float | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, str] | None = None
    id: str | None = None
    expires: float | None = None
    ticket: bool = False
    unique: Unique | None = None
    frees: str | None = None

    def __post_init__(self) -> None:
        check_text(self.body, "The body")
        # Frozen: what is made once, a number of seconds, is not changed again.
        object.__setattr__(self, "delay", seconds_of(self.delay))
        check_identifier(self.group_id, "group_id (or what tenant= or key= returns)")
        check_identifier(self.deduplication_id, "deduplication_id")
        if self.attributes is not None:
            _check_text_attributes(self.attributes)
            check_attributes(self.sqs_attributes(), self._room)

    @classmethod
    def to(
        cls,
        queue: str,
        text: tuple[str, str],
        *,
        delay: float | timedelta | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        attributes: Mapping[str, str] | None = None,
        expires: float | timedelta | datetime | None = None,
        ticket: bool = False,
        unique: str | None = None,
        unique_for: float | timedelta | None = None,
        unique_until: str | None = None,
    ) -> Outgoing:
        """A message to *queue*, checked against what its kind takes.

        :param text: the body and its content type.
        """
        seconds = seconds_of(delay)
        only = Unique.read(unique, unique_for, unique_until)
        if only is not None:
            only.check_delay(seconds)
            only.check_deduplication(deduplication_id)
        if queue.endswith(FIFO):
            if seconds:
                raise MessageEncodeError(
                    f"delay: a message to FIFO queue {queue!r} cannot have a delay of its own "
                    f"(delay={delay!r}). Set a delay on the queue itself in SQS, or use a "
                    "standard queue."
                )
            seconds = None
        elif deduplication_id is not None:
            raise MessageEncodeError(
                f"deduplication_id: only FIFO queues, whose names end in {FIFO!r}, take one; "
                f"{queue!r} is not one"
            )
        return cls(
            *text,
            seconds,
            group_id,
            deduplication_id,
            attributes,
            id=new_id() if ticket else None,
            expires=expiry_of(expires, seconds),
            ticket=ticket,
            unique=only,
            frees=None if only is None else only.until,
        )

    @property
    def _room(self) -> int:
        """How many attributes it may have of its own."""
        long = self.delay is not None and self.delay > MAX_DELAY
        ours = long or self.id is not None or self.expires is not None
        return MAX_ATTRIBUTES - (1 if ours else 0)

    def with_attributes(self, more: Mapping[str, str]) -> Outgoing:
        """The same with *more* attributes, as far as SQS takes them.

        One place stays free, for what is added should the message be sent again.
        """
        if not more:
            return self
        attributes = dict(self.attributes or {})
        for name, text in more.items():
            if len(attributes) < MAX_ATTRIBUTES - 1:
                attributes.setdefault(name, text)
        return replace(self, attributes=attributes)

    def properties(self) -> dict[str, Any]:
        """What the transport is told of it besides its body; a delay counts from now."""
        properties: dict[str, Any] = {
            "MessageGroupId": self.group_id,
            "MessageDeduplicationId": self.deduplication_id,
            ID: self.id,
            EXPIRES: self.expires,
            TICKET: self.ticket or None,
            FREES: self.frees,
        }
        if self.delay is not None and self.delay > MAX_DELAY:
            properties[DUE] = time.time() + self.delay
        else:
            properties["delay_seconds"] = self.delay
        if self.attributes:
            properties["message_attributes"] = self.sqs_attributes()
        return {key: value for key, value in properties.items() if value is not None}

    def sqs_attributes(self) -> dict[str, dict[str, str]]:
        """Its message attributes as SQS takes them."""
        return {
            name: {"DataType": "String", "StringValue": text}
            for name, text in (self.attributes or {}).items()
        }


def each(value: Any, what: str) -> Callable[[], Any]:
    """What returns the items of a sequence in turn, or one and the same value again and again.

    :param what: the argument's name.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return lambda: value
    items = iter(value)

    def following() -> Any:
        for item in items:
            return item
        raise MessageEncodeError(f"{what} has {len(value)} values, fewer than there are items")

    return following


def encoded(wire_format: str, message: RawMessage) -> tuple[str, str]:
    """The text of *message* and its content type."""
    message.begin_sending()
    if wire_format == "raw":
        return message.get_body_encoded(), PLAIN
    return message.dump()


def unmade_of(exc: Exception, group_id: object) -> Exception:
    """Why an item could not be made into a message, with the message group that it had.

    :param group_id: None: the default one; a function: which failed itself, so nobody knows.
    """
    if isinstance(exc, TimedOut):
        return exc
    error = unmade(exc)
    if not callable(group_id):
        error.message_group = DEFAULT_GROUP if group_id is None else str(group_id)
    return error


def _check_text_attributes(attributes: Any) -> None:
    if not isinstance(attributes, Mapping):
        raise MessageEncodeError(
            f"attributes must be a mapping of names to text, not {attributes!r:.100}"
        )
    for name in attributes:
        if isinstance(name, str) and (name.startswith(_RESERVED_PREFIX) or name in _RESERVED):
            raise MessageEncodeError(f"attributes: {name!r} is reserved by this library")
