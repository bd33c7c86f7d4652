"""Actions: what a person may do with a queue on its page, each behind a permission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu import administration

from ..language import Text
from ..operations import redriving
from ..operations.queues import Target
from ..operations.redriving import Redriven
from ..operations.resuming import resume
from . import chosen
from .pausing import describe

#: Messages that are moved while the browser waits; the rest at the next click, or by sqs_move.
MOST_MOVED = 1_000


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do.

    :param permission: what the user needs.
    :param title: the head of the page that asks, of a ``queue``.
    :param asks: what is asked before, of a ``queue`` and, where they were chosen, a ``count`` of
        messages.
    :param asks_dead: the same of dead letters that were chosen.
    :param notes: what the admin's history says of it.
    :param run: does it, with the form's values, and returns what it did, in the language of its
        thread.  That is one of its own, so it touches no database.
    """

    permission: str
    title: Text
    asks: Any
    notes: Text
    run: Callable[[Target, Mapping[str, str]], str]
    asks_dead: Any = None

    def question(self, label: str, form: Mapping[str, str]) -> str:
        """What is asked before it is done."""
        dead = self.asks_dead is not None and form.get("dead") == "yes"
        asks = self.asks_dead if dead else self.asks
        return str(asks % {"queue": label, "count": len(form.get("ids", "").split())})


def _purge(target: Target, form: Mapping[str, str]) -> str:
    target.requests.call("PurgeQueue", target.full_name)
    says = gettext("All messages of %(queue)s are being deleted; SQS takes up to 60 seconds.")
    return says % {"queue": target.label}


def _redrive(target: Target, form: Mapping[str, str]) -> str:
    dead_letters = target.dead_letters
    if redriving.start(target) is not None:
        says = gettext("SQS moves the messages of %(source)s to %(queue)s.")
        return says % {"source": dead_letters, "queue": target.label}
    done = redriving.by_hand(target, limit=MOST_MOVED)
    return _moved(done.moved, dead_letters, target.label) + _in_the_way(done)


def _in_the_way(done: Redriven) -> str:
    if not done.behind:
        return ""
    part = gettext("%(count)d of %(queue)s")
    each = ", ".join(part % {"count": count, "queue": name} for name, count in done.behind)
    says = gettext(
        "Left in place, since they were not chosen: %(each)s. SQS hands out nothing behind them in "
        "their message groups: redrive, move or delete them first."
    )
    return " " + says % {"each": each}


def _move(target: Target, form: Mapping[str, str]) -> str:
    other = chosen.destination(form)
    moved = administration.move(
        target.requests, target.full_name, other.full_name, limit=MOST_MOVED
    )
    return _moved(moved, target.label, other.label)


def _moved(count: int, source: str, label: str) -> str:
    says = ngettext(
        "Moved %(count)d message from %(source)s to %(queue)s.",
        "Moved %(count)d messages from %(source)s to %(queue)s.",
        count,
    )
    return says % {"count": count, "source": source, "queue": label}


def _pause(target: Target, form: Mapping[str, str]) -> str:
    text = form.get("seconds", "")
    reason = form.get("reason", "")
    seconds = int(text) if text in LENGTHS else None
    pause = target.registered.pause(seconds, reason=reason, suffix=target.suffix)
    says = gettext("Queue %(queue)s is paused: %(pause)s. Workers follow within a minute.")
    return says % {"queue": target.label, "pause": describe(pause)}


def _resume(target: Target, form: Mapping[str, str]) -> str:
    left, _said = resume(target)
    if left is None:
        says = gettext("Queue %(queue)s is resumed. Workers follow within a minute.")
        return says % {"queue": target.label}
    says = gettext("Queue %(queue)s is still paused by its breaker: %(pause)s")
    return says % {"queue": target.label, "pause": describe(left)}


#: How long a queue may be paused here, in seconds, and how that is written.
LENGTHS = {"900": _("for 15 minutes"), "3600": _("for an hour"), "86400": _("for a day")}

ACTIONS = {
    "pause": Action(
        "pause_queuereport",
        _("Pause %(queue)s"),
        _(
            "Stop all workers from receiving from %(queue)s? Messages that are sent to it will "
            "wait."
        ),
        _("Paused."),
        _pause,
    ),
    "resume": Action(
        "pause_queuereport",
        _("Resume %(queue)s"),
        _("Let workers receive from %(queue)s again?"),
        _("Resumed."),
        _resume,
    ),
    "purge": Action(
        "purge_queuereport",
        _("Delete all messages of %(queue)s"),
        _("Delete all messages of %(queue)s? This cannot be undone."),
        _("Deleted all messages."),
        _purge,
    ),
    "redrive": Action(
        "move_queuereport",
        _("Redrive dead letters of %(queue)s"),
        _("Move the dead letters of %(queue)s back into it?"),
        _("Moved dead letters back."),
        _redrive,
    ),
    "move": Action(
        "move_queuereport",
        _("Move messages of %(queue)s"),
        _("Move the visible messages of %(queue)s to another queue?"),
        _("Moved messages to another queue."),
        _move,
    ),
    "redrive-chosen": Action(
        "move_queuereport",
        _("Redrive chosen dead letters of %(queue)s"),
        ngettext_lazy(
            "Move the %(count)d chosen dead letter of %(queue)s back into it?",
            "Move the %(count)d chosen dead letters of %(queue)s back into it?",
            "count",
        ),
        _("Moved chosen dead letters back:"),
        chosen.redrive,
    ),
    "move-chosen": Action(
        "move_queuereport",
        _("Move chosen messages of %(queue)s"),
        ngettext_lazy(
            "Move the %(count)d chosen message of %(queue)s to another queue?",
            "Move the %(count)d chosen messages of %(queue)s to another queue?",
            "count",
        ),
        _("Moved chosen messages to another queue:"),
        chosen.move,
        ngettext_lazy(
            "Move the %(count)d chosen dead letter of %(queue)s to another queue?",
            "Move the %(count)d chosen dead letters of %(queue)s to another queue?",
            "count",
        ),
    ),
    "delete-chosen": Action(
        "purge_queuereport",
        _("Delete chosen messages of %(queue)s"),
        ngettext_lazy(
            "Delete the %(count)d chosen message of %(queue)s? This cannot be undone.",
            "Delete the %(count)d chosen messages of %(queue)s? This cannot be undone.",
            "count",
        ),
        _("Deleted chosen messages:"),
        chosen.delete,
        ngettext_lazy(
            "Delete the %(count)d chosen dead letter of %(queue)s? This cannot be undone.",
            "Delete the %(count)d chosen dead letters of %(queue)s? This cannot be undone.",
            "count",
        ),
    ),
}
