"""Dropping: whether a message is to be deleted unrun, asked right before its receiver starts."""

from __future__ import annotations

from ..drops import MessageExpired
from ..transport.sending.expiring import has_expired
from ..transport.sending.trail import TRAIL, Trail
from .registered import Received


def why_dropped(delivery: Received) -> Exception | None:
    """Why no receiver is to start with *delivery* now; None: it starts."""
    attributes = delivery.sqs_message.get("MessageAttributes")
    if not attributes or TRAIL not in attributes:
        return None
    trail = Trail.of(attributes)
    if trail.expires is not None and has_expired(trail):
        return MessageExpired(trail.expires)
    return None
