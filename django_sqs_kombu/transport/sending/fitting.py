"""Fitting: a copy of a received message as SQS takes it, whatever its sender has used up."""

from __future__ import annotations

from typing import Any

from ...exceptions import MessageTooLarge
from ..body.payloads import LargePayloads
from .checks import check_size, has_room
from .trail import TRAIL


def fitted(payloads: LargePayloads, queue: str, entry: dict[str, Any]) -> dict[str, Any]:
    """*entry* for *queue*, its payload in S3 where it is too large for SQS.

    Where there is no room for its trail, it goes without: the sender's own attributes count more
    than its id.

    :raises SQSError: S3 did not take its payload, or SQS would not take the message.
    """
    if not has_room(entry):
        _forget_trail(entry)
    entry = payloads.offload(entry)
    try:
        check_size(queue, entry)
    except MessageTooLarge:
        # Without its trail it is no larger than it was received.
        if not _forget_trail(entry):
            raise
        check_size(queue, entry)
    return entry


def _forget_trail(entry: dict[str, Any]) -> bool:
    attributes = entry.get("MessageAttributes") or {}
    return attributes.pop(TRAIL, None) is not None
