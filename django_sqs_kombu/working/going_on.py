"""Going on: what a long receiver asks: is its worker stopping, and how far had it come."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..transport.sending.trail import Trail
from .context import current_message

#: Says whether the worker that runs this receiver stops.
worker_stops: ContextVar[Callable[[], bool] | None] = ContextVar("worker_stops", default=None)


def stopping() -> bool:
    """Return whether the worker that runs this receiver was told to stop.

    The receiver then has the grace period left: it returns, or raises
    :class:`~django_sqs_kombu.Continue`, and another worker continues.  False outside a receiver,
    and in a thread that it started without its context.
    """
    stops = worker_stops.get()
    return stops is not None and stops()


def cursor() -> Any:
    """Return where the current receiver continues, from its last Continue; None: at the start.

    A message has it as ``message.cursor``; this is for code without the message, such as
    tasks.
    """
    message = current_message.get()
    return None if message is None else Trail.of(message.message_attributes).cursor
