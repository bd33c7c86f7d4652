"""Resuming: the pause of a queue is ended, as far as it is a person's to end."""

from __future__ import annotations

from contextlib import suppress

from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport import Pause

from .queues import Target


def resume(target: Target) -> tuple[Pause | None, str]:
    """Resume a queue; return the pause that stays, which is its breaker's, and what to say.

    :raises RequestFailed: SQS refused.
    """
    target.registered.resume(suffix=target.suffix)
    left = None
    # It is resumed, also for whoever may not read tags.
    with suppress(RequestFailed):
        left = target.registered.paused(suffix=target.suffix)
    if left is None:
        return None, f"Queue {target.label} is resumed."
    return left, f"Queue {target.label} is still paused by its breaker: {left}"
