"""Sender: what a registered queue sends by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a registry says for every queue that does not say it itself.

    :param prefix: joined before each queue's name with ``__``; may be empty.
    :param visibility_timeout: seconds that a received message stays hidden.
    :param wire_format: ``"kombu"`` or ``"raw"``.
    """

    prefix: str
    visibility_timeout: int
    wire_format: str
