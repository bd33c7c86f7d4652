"""Redriving: the dead letters of one queue back into it, and those of no other."""

from __future__ import annotations

from django_sqs_kombu import administration

from ..registry import receivers
from .choosing import Chosen
from .queues import Target


def start(target: Target) -> str | None:
    """Have SQS move them all.

    :returns: SQS's handle of the task; None: it cannot, or other queues share the dead letters,
        so :func:`by_hand` must.
    :raises RequestFailed: it can, and refused.
    """
    dead_letters = target.dead_letters
    for other in receivers.queues.values():
        # One that has no redrive policy in SQS sends letters there by its own policy.
        if other is not target.registered and other.full_dead_letter_name == dead_letters:
            return None
    return administration.start_redrive(target.requests, dead_letters, target.full_name)


def by_hand(
    target: Target,
    *,
    limit: int,
    chosen: Chosen | None = None,
    progress: administration.Progress | None = None,
) -> int:
    """Receive, send and delete them here; return how many were moved.

    :param limit: at most so many.
    :param chosen: which; None: all that no other queue sent there.
    :param progress: called with the number moved so far.
    :raises RequestFailed: SQS refused; what was not moved is visible where it was.
    """
    sifted = administration.MOST_SIFTED
    return administration.move(
        target.requests,
        target.dead_letters,
        target.full_name,
        limit=limit,
        progress=progress,
        wanted=chosen or Chosen(target),
        most=sifted if chosen else max(limit, sifted),
    )
