"""Redriving: the dead letters of one queue back into it, and those of no other."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from django_sqs_kombu import administration
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.transport import SQSMessage
from django_sqs_kombu.working import origin_of

from ..registry import receivers
from .choosing import Chosen
from .queues import Target


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of the dead letters that were looked at.

    :param source: the name in SQS of the queue that they were in.
    :param moved: how many were moved.
    :param left: how many were not meant, by the name in SQS of the queue that they come from.
    """

    source: str
    moved: int = 0
    left: Counter[str] = field(default_factory=Counter)

    @property
    def behind(self) -> list[tuple[str, int]]:
        """Queues, and how many letters of each others may stand behind, out of reach.

        SQS hands out nothing of a FIFO queue that stands, in its message group, behind a message
        that is held, and nothing else once that is given back.
        """
        return self.left.most_common() if self.source.endswith(FIFO) else []

    @property
    def in_the_way(self) -> str:
        """What to say of letters that others may stand behind, out of reach; empty: nothing."""
        if not self.behind:
            return ""
        each = ", ".join(f"{count} of {name}" for name, count in self.behind)
        return (
            f"Left in place, since they were not chosen: {each}. SQS hands out nothing behind "
            "them in their message groups: redrive, move or delete them first."
        )


def start(target: Target) -> str | None:
    """Have SQS move them all.

    :returns: SQS's handle of the task; None: it cannot, or other queues, such as those of
        suffixes, share the dead letters, so :func:`by_hand` must.
    :raises RequestFailed: it can, and refused.
    """
    dead_letters = target.dead_letters
    if is_shared(target, dead_letters):
        return None
    return administration.start_redrive(target.requests, dead_letters, target.full_name)


def is_shared(target: Target, dead_letters: str) -> bool:
    """Whether other queues of this project have the same dead letters, in a queue of that name."""
    if target.suffix or target.registered.suffixes:
        # These share what was registered.
        return True
    # One that has no redrive policy in SQS sends letters there by its own policy.
    return any(
        other is not target.registered and other.full_dead_letter_name == dead_letters
        for other in receivers.queues.values()
    )


def by_hand(
    target: Target,
    *,
    limit: int,
    chosen: Chosen | None = None,
    progress: administration.Progress | None = None,
) -> Redriven:
    """Receive, send and delete them here, and none twice: letters that fail again stay dead.

    :param limit: at most so many, and no more than there are at the start.
    :param chosen: which; None: all that no other queue sent there.
    :param progress: called with the number moved so far.
    :raises RequestFailed: SQS refused; what was not moved is visible where it was.
    """
    source, sifted = target.dead_letters, administration.MOST_SIFTED
    left: Counter[str] = Counter()
    started = time.time()
    is_meant = chosen or Chosen(target)

    def is_wanted(message: SQSMessage) -> bool:
        if (administration.sent_at(message) or 0) > started:
            # It was moved a moment ago, and has failed again.
            return False
        if is_meant(message):
            return True
        left[origin_of(message) or target.full_name] += 1
        return False

    moved = administration.move(
        target.requests,
        source,
        target.full_name,
        limit=limit,
        progress=progress,
        wanted=is_wanted,
        most=sifted if chosen else max(limit, sifted),
    )
    return Redriven(source, moved, left)
