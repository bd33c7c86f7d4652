"""Masking: what logs may show of a message's body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..messages.base import RawMessage
from ..printable import quoted
from ..rules import function

#: Given a queue's registered name and a body as text; returns what people may see of it, or None
#: for nothing.
Mask = Callable[[str, str], str | None]
#: The rule for one.
mask_rule = function(2, "a queue's name and a body")
#: Stands for a body that a mask keeps out, or fails on.
HIDDEN = "(not shown)"


class Shown(Protocol):
    """What is shown of a delivery, or of a part of one."""

    @property
    def text(self) -> str:
        """The body as text: the SQS body, or the one inside the envelope."""

    @property
    def sqs_body(self) -> str:
        """The SQS body."""


def printable(delivery: Shown, message: RawMessage | None) -> str:
    """The body, unmasked: decoded if it could be, cut and escaped."""
    try:
        return quoted(delivery.text if message is None else message.get_body())
    except Exception:  # noqa: BLE001 - a body that cannot be shown is no reason to fail
        return quoted(delivery.sqs_body)


def loggable(name: str, delivery: Shown, message: RawMessage | None, mask: Mask | None) -> str:
    """The body for the log, masked.

    :param name: the queue's registered name.
    :param mask: None: all may be seen.
    """
    if mask is None:
        return printable(delivery, message)
    try:
        shown = masked(name, _text(delivery), mask)
    except Exception:  # noqa: BLE001 - a body that cannot be shown is no reason to fail
        return HIDDEN
    return shown if shown == HIDDEN else quoted(shown)


def masked(name: str, text: str, mask: Mask) -> str:
    """What people may see of a body; :data:`HIDDEN` if that is nothing.

    :param name: the queue's registered name.
    :param text: the body.
    """
    shown: Any = None
    try:
        shown = mask(name, text)
    except Exception:  # noqa: BLE001 - what a mask fails on is not shown
        return HIDDEN
    return shown if isinstance(shown, str) and shown else HIDDEN


def _text(delivery: Shown) -> str:
    try:
        return delivery.text
    except UnicodeDecodeError:
        return str(delivery.sqs_body)
