"""Copies: a received message as what SendMessage needs to send it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .trail import TRAIL, Trail

#: What a message attribute is made of; a received one may have more.
_PARTS = ("DataType", "StringValue", "BinaryValue")
#: A message system attribute: X-Ray's, which SQS does not count among the ten.
TRACE = "AWSTraceHeader"


def copy_of(message: Mapping[str, Any], trail: Trail | None = None) -> dict[str, Any]:
    """What SendMessage needs to send *message* again: its body, attributes, group and trace.

    :param trail: replaces its trail; None: that is kept as it is.
    """
    attributes = {
        name: {part: value[part] for part in _PARTS if part in value}
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    if trail is not None:
        attributes.pop(TRAIL, None)
        if trail:
            attributes[TRAIL] = trail.attribute()
    system: Mapping[str, str] = message.get("Attributes") or {}
    entry: dict[str, Any] = {"MessageBody": message["Body"]}
    if attributes:
        entry["MessageAttributes"] = attributes
    if group := system.get("MessageGroupId"):
        # A FIFO queue's, or the tenant of a fair one.
        entry["MessageGroupId"] = group
    if trace := system.get(TRACE):
        entry["MessageSystemAttributes"] = {TRACE: {"DataType": "String", "StringValue": trace}}
    return entry
