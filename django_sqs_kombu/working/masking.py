"""Masking: what logs may show of a message's body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..messages.base import RawMessage
from ..printable import quoted
from ..transport.delivery import Delivery

#: Given a queue's registered name and a body as text; returns what people may see of it, or None
#: for nothing.
Mask = Callable[[str, str], str | None]
#: Stands for a body that a mask keeps out, or fails on.
HIDDEN = "(not shown)"


def printable(delivery: Delivery, message: RawMessage | None) -> str:
    """The body, unmasked: decoded if it could be, cut and escaped."""
    try:
        return quoted(delivery.text if message is None else message.get_body())
    except Exception:  # noqa: BLE001 - a body that cannot be shown is no reason to fail
        return quoted(delivery.sqs_body)


def loggable(name: str, delivery: Delivery, message: RawMessage | None, mask: Mask | None) -> str:
    """The body for the log, masked.

    :param name: the queue's registered name.
    :param mask: None: all may be seen.
    """
    if mask is None:
        return printable(delivery, message)
    shown: Any = None
    try:
        shown = mask(name, _text(delivery))
    except Exception:  # noqa: BLE001 - what a mask fails on is not shown
        return HIDDEN
    return quoted(shown) if isinstance(shown, str) and shown else HIDDEN


def _text(delivery: Delivery) -> str:
    try:
        return delivery.text
    except UnicodeDecodeError:
        return str(delivery.sqs_body)
