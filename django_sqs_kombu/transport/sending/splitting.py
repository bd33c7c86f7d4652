"""Splitting: a received message that stands for several is sent as so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...quotas import MAX_ATTRIBUTES
from .checks import check_size
from .copies import copy_of
from .dispatch import send_list
from .resending import Delivery, payload_of
from .trail import TRAIL, Trail


def send_parts(delivery: Delivery, texts: Sequence[str]) -> None:
    """Send each of *texts* to the queue of a received message, which stays with the caller.

    Attributes and trace are kept.  The id of each is that of the message and its number, so
    that one that is sent twice, since its neighbour was refused, can be told by it.

    :raises RequestFailed: SQS did not accept all of them.
    :raises SQSError: S3 did not take a payload.
    """
    received = payload_of(delivery)
    trail = Trail.received(received)
    entries = []
    for number, text in enumerate(texts, 1):
        own = replace(trail, id=f"{trail.id}.{number}", due=None, restarts=0, tries=0, cursor=None)
        entry = _entry({**received, "Body": text}, own)
        entry = delivery.channel.payloads.offload(entry)
        check_size(delivery.queue, entry)
        entries.append(entry)
    for error in send_list(delivery.channel.requests, delivery.queue, entries).errors:
        if error is not None:
            raise error


def _entry(message: dict[str, Any], trail: Trail) -> dict[str, Any]:
    entry = copy_of(message, trail)
    if len(entry["MessageAttributes"]) > MAX_ATTRIBUTES:
        # The sender's own count more than its id.
        del entry["MessageAttributes"][TRAIL]
    return entry
