"""Handling: a message's way from its delivery to its settlement."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import kombu

from ..exceptions import EnvironmentFailure
from ..logs import get_logger
from ..printable import repr_of
from ..transport.delivery import Delivery
from .attempt import context_of
from .context import apart, current_message
from .middleware import NOTHING, Admission, admission
from .outcomes import settle, undecodable
from .registered import Attempt, Registered
from .table import Action

logger = get_logger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Handled:
    """What became of a message.

    :param attempt: how its receiver ended, or why it did not run.
    :param action: what was done with the message; None: nothing, and SQS redelivers it.
    """

    attempt: Attempt
    action: Action | None


class Surroundings:
    """What stands around a message until it is settled, once it is known; else nothing."""

    __slots__ = ("_context",)

    def __init__(self) -> None:
        self._context: AbstractContextManager[object] = NOTHING

    def enter_context(self, context: AbstractContextManager[object]) -> None:
        """Enter *context*, the only one; it is left with this."""
        if context is not NOTHING:
            context.__enter__()
            self._context = context

    def __enter__(self) -> Surroundings:
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        context = self._context
        return None if context is NOTHING else context.__exit__(cls, exc, traceback)


def handle(
    registered: Registered,
    delivery: Delivery,
    queue: kombu.Queue,
    admitted: Admission | None = None,
) -> Handled:
    """Decode a message, run its receiver, and settle it.

    Nothing that goes wrong on the way is raised, and nothing leaves the message unsettled.

    :param admitted: what the middleware say of it; None: they are still to be asked.
    """

    try:
        context = NOTHING if delivery.errors else registered.around_message()
    except Exception as exc:  # noqa: BLE001 - a database that is away, say
        attempt = Attempt(raised=_unprepared(exc))
        return Handled(attempt, settle(registered, delivery, None, attempt.raised))
    if context is NOTHING:
        return apart(_handle, registered, delivery, queue, admitted)

    def work(stack: Surroundings) -> Handled:
        if (error := _entered(stack, context)) is not None:
            return Handled(Attempt(raised=error), settle(registered, delivery, None, error))
        return apart(_handle, registered, delivery, queue, admitted)

    return cleaning_up(delivery, work)


def _handle(
    registered: Registered, delivery: Delivery, queue: kombu.Queue, admitted: Admission | None
) -> Handled:
    # As long as it is settled, too: what is logged then is about this message.
    current_message.set(context_of(delivery, queue))
    attempt = _attempt(registered, delivery, queue, admitted)
    action = settle(registered, delivery, attempt.message, attempt.raised, attempt.seconds)
    return Handled(attempt, action)


def cleaning_up(delivery: Delivery, work: Callable[[Surroundings], T]) -> T:
    """Return what *work* returns, which adds to a stack what is to be cleaned up after it.

    Cleaning up that fails is logged: what is settled stays settled, and a receiver that has
    run does not run again for it.
    """
    done: list[T] = []
    try:
        with Surroundings() as stack:
            done.append(work(stack))
    except Exception:
        logger.exception("Cleaning up after message %s failed", delivery.message_id)
        if not done:
            raise
    return done[0]


def attempt_within(
    stack: Surroundings,
    registered: Registered,
    delivery: Delivery,
    queue: kombu.Queue,
    admitted: Admission | None = None,
) -> Attempt:
    """Decode a message and run its receiver in the context of *stack*.

    :param stack: gets what is to be cleaned up after the message.
    :param admitted: what the middleware say of it; None: they are still to be asked.
    """
    if not delivery.errors and (error := make_ready(stack, registered)) is not None:
        return Attempt(raised=error)
    return apart(_attempt, registered, delivery, queue, admitted)


def _attempt(
    registered: Registered, delivery: Delivery, queue: kombu.Queue, admitted: Admission | None
) -> Attempt:
    if delivery.errors:
        return Attempt(raised=undecodable(delivery.errors[0][1]))
    if admitted is None:
        admitted = admission(registered.receivers.middleware, registered, delivery)
    if admitted.refused is not None:
        return Attempt(raised=admitted.refused)
    return registered.attempt(delivery, queue)


def make_ready(stack: Surroundings, registered: Registered) -> EnvironmentFailure | None:
    """Enter what stands around a message, or a batch; return why that could not be done."""
    try:
        context = registered.around_message()
    except Exception as exc:  # noqa: BLE001 - a database that is away, say
        return _unprepared(exc)
    return _entered(stack, context)


def _entered(
    stack: Surroundings, context: AbstractContextManager[object]
) -> EnvironmentFailure | None:
    try:
        stack.enter_context(context)
    except Exception as exc:  # noqa: BLE001 - a database that is away, say
        return _unprepared(exc)
    return None


def _unprepared(exc: Exception) -> EnvironmentFailure:
    error = EnvironmentFailure(f"Preparing for its receiver failed: {repr_of(exc)}")
    error.__cause__ = exc
    return error
