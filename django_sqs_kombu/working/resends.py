"""Resends: what is sent again of several messages that are settled together, ten to a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..logs import get_logger
from ..transport.delivery import Delivery
from ..transport.sending.dispatch import send_list

logger = get_logger(__name__)

#: Tells that a message could not be sent again, and sees to it that it stays.
Stay = Callable[[Exception], None]

_gathered: ContextVar[list[tuple[Delivery, dict[str, Any], Stay]] | None] = ContextVar(
    "gathered", default=None
)


def resend(delivery: Delivery, entry: dict[str, Any], stay: Stay) -> None:
    """Send what was made of a message in its place, and delete it; else have it stay.

    In a block of :func:`resent_together`, at its end.
    """
    gathered = _gathered.get()
    if gathered is not None:
        gathered.append((delivery, entry, stay))
        return
    [error] = _errors(delivery, [entry])
    _settle(delivery, stay, error)


def delete_replaced(delivery: Delivery) -> None:
    """Delete a message that another is in the place of, also one that could not be read."""
    delivery.unread = None
    delivery.ack()


@contextmanager
def resent_together() -> Iterator[None]:
    """Send together what is sent again in the block, of messages of one queue."""
    gathered: list[tuple[Delivery, dict[str, Any], Stay]] = []
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
        if gathered:
            _resend(gathered)


def _resend(gathered: list[tuple[Delivery, dict[str, Any], Stay]]) -> None:
    errors = _errors(gathered[0][0], [entry for _, entry, _ in gathered])
    for (delivery, _, stay), error in zip(gathered, errors, strict=True):
        try:
            _settle(delivery, stay, error)
        except Exception:
            # The others are settled all the same.
            logger.exception("Message %s is redelivered by SQS", delivery.message_id)
            if not delivery.acknowledged:
                delivery.abandon()


def _errors(delivery: Delivery, entries: list[dict[str, Any]]) -> Sequence[Exception | None]:
    try:
        return send_list(delivery.channel.requests, delivery.queue, entries).errors
    except Exception as exc:  # noqa: BLE001 - whatever it is, the messages stay
        return [exc] * len(entries)


def _settle(delivery: Delivery, stay: Stay, error: Exception | None) -> None:
    if error is None:
        delete_replaced(delivery)
    else:
        stay(error)
