"""Actions: what a person may do with a queue on its page, each behind a permission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django_sqs_kombu import administration

from ..counted import counted
from ..operations import redriving
from ..operations.queues import Target
from ..operations.resuming import resume
from . import chosen

#: Messages that are moved while the browser waits; the rest at the next click, or by sqs_move.
MOST_MOVED = 1_000


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do.

    :param permission: what the user needs.
    :param asks: what is asked before; %s is the queue, and {} are the messages that were chosen.
    :param run: does it, with the form's values, and returns what it did.  It runs in a thread
        of its own, so it touches no database.
    """

    permission: str
    asks: str
    run: Callable[[Target, Mapping[str, str]], str]


def _purge(target: Target, form: Mapping[str, str]) -> str:
    target.requests.call("PurgeQueue", target.full_name)
    return f"All messages of {target.label} are being deleted; SQS takes up to 60 seconds."


def _redrive(target: Target, form: Mapping[str, str]) -> str:
    dead_letters = target.dead_letters
    if redriving.start(target) is not None:
        return f"SQS moves the messages of {dead_letters} to {target.label}."
    done = redriving.by_hand(target, limit=MOST_MOVED)
    text = f"Moved {counted(done.moved, 'message')} from {dead_letters} to {target.label}."
    return f"{text} {done.in_the_way}".rstrip()


def _move(target: Target, form: Mapping[str, str]) -> str:
    other = chosen.destination(form)
    moved = administration.move(
        target.requests, target.full_name, other.full_name, limit=MOST_MOVED
    )
    return f"Moved {counted(moved, 'message')} from {target.label} to {other.label}."


def _pause(target: Target, form: Mapping[str, str]) -> str:
    text = form.get("seconds", "")
    reason = form.get("reason", "")
    seconds = int(text) if text in LENGTHS else None
    pause = target.registered.pause(seconds, reason=reason, suffix=target.suffix)
    return f"Queue {target.label} is paused: {pause}. Workers follow within a minute."


def _resume(target: Target, form: Mapping[str, str]) -> str:
    left, said = resume(target)
    return said if left is not None else f"{said} Workers follow within a minute."


#: How long a queue may be paused here, in seconds, and how that is written.
LENGTHS = {"900": "for 15 minutes", "3600": "for an hour", "86400": "for a day"}

ACTIONS = {
    "pause": Action(
        "pause_queuereport", "Have no worker receive from %s? What is sent waits in it.", _pause
    ),
    "resume": Action("pause_queuereport", "Have workers receive from %s again?", _resume),
    "purge": Action(
        "purge_queuereport", "Delete all messages of %s? This cannot be undone.", _purge
    ),
    "redrive": Action("move_queuereport", "Move the dead letters of %s back into it?", _redrive),
    "move": Action("move_queuereport", "Move the visible messages of %s to another queue?", _move),
    "redrive-chosen": Action("move_queuereport", "Move the {} of %s back into it?", chosen.redrive),
    "move-chosen": Action("move_queuereport", "Move the {} of %s to another queue?", chosen.move),
    "delete-chosen": Action(
        "purge_queuereport", "Delete the {} of %s? This cannot be undone.", chosen.delete
    ),
}
