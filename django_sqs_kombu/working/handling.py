"""Handling: a message's way from its delivery to its settlement."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import kombu

from ..exceptions import EnvironmentFailure
from ..transport.delivery import Delivery
from .outcomes import settle, undecodable
from .registered import Attempt, Registered
from .table import Action

logger = logging.getLogger(__name__)

#: Returns why a message is not to be received but settled, or None.
Refuse = Callable[[Delivery], BaseException | None]


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a message.

    :param attempt: how its receiver ended, or why it did not run.
    :param action: what was done with the message; None: nothing, and SQS redelivers it.
    """

    attempt: Attempt
    action: Action | None


def handle(
    registered: Registered, delivery: Delivery, queue: kombu.Queue, refuse: Refuse | None = None
) -> Handled:
    """Decode a message, run its receiver, and settle it.

    Nothing that goes wrong on the way is raised, and nothing leaves the message unsettled.

    :param refuse: whether it is received at all.
    """
    handled: Handled | None = None
    try:
        with ExitStack() as stack:
            attempt = attempt_within(stack, registered, delivery, queue, refuse)
            action = settle(registered, delivery, attempt.message, attempt.raised)
            handled = Handled(attempt, action)
    except Exception:
        # What is settled stays settled.
        logger.exception("Cleaning up after message %s failed", delivery.message_id)
        if handled is None:
            raise
    return handled


def attempt_within(
    stack: ExitStack,
    registered: Registered,
    delivery: Delivery,
    queue: kombu.Queue,
    refuse: Refuse | None = None,
) -> Attempt:
    """Decode a message and run its receiver in the context of *stack*.

    :param stack: gets what is to be cleaned up after the message.
    :param refuse: whether it is received at all.
    """
    if delivery.errors:
        return Attempt(raised=undecodable(delivery.errors[0][1]))
    try:
        stack.enter_context(registered.around_message())
        refused = refuse(delivery) if refuse is not None else None
    except Exception as exc:  # noqa: BLE001 - a database that is away, say
        error = EnvironmentFailure(f"Nothing was made ready for it: {exc!r}")
        error.__cause__ = exc
        return Attempt(raised=error)
    return Attempt(raised=refused) if refused else registered.attempt(delivery, queue)
