"""Sending: what is told of a message besides its content, for one or for many."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

from ..quotas import MAX_ATTRIBUTES, MAX_DELAY
from ..transport.sending.delays import DUE


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it is to be sent.

    :param body: its text.
    :param content_type: what the text is.
    :param delay: seconds until it can be received; None: at once.
    :param group_id: its message group, in a FIFO queue.
    :param deduplication_id: its deduplication id, in a FIFO queue.
    :param attributes: its SQS message attributes, text by name.
    """

    body: str
    content_type: str
    delay: float | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, str] | None = None

    def with_attributes(self, more: Mapping[str, str]) -> Outgoing:
        """The same with *more* attributes, as far as SQS takes them."""
        if not more:
            return self
        attributes = dict(self.attributes or {})
        for name, text in more.items():
            if len(attributes) < MAX_ATTRIBUTES:
                attributes.setdefault(name, text)
        return replace(self, attributes=attributes)

    def properties(self) -> dict[str, Any]:
        """What the transport is told of it besides its body; a delay counts from now."""
        properties: dict[str, Any] = {
            "MessageGroupId": self.group_id,
            "MessageDeduplicationId": self.deduplication_id,
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


def each(value: Any) -> Iterator[Any]:
    """The items of a sequence, or one and the same value again and again."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return iter(value)
    return repeat(value)
