"""Actions: what a person may do with a queue on its page, each behind a permission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu import administration
from django_sqs_kombu.exceptions import SQSError

from ..language import Text
from ..operations import redriving
from ..operations.queues import Target
from ..operations.redriving import Redriven
from ..operations.resuming import resume
from ..operations.states import QueueState
from . import chosen
from .chosen import Done
from .pausing import describe
from .report import state_of

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
    :param asks_count: the same of all messages that it is about, where their ``count`` is known.
    :param counts: how many these are, as SQS says; None: unknown.
    :param notes: what the admin's history says of it.
    :param notes_count: the same, where it is known how many messages it was done with.
    :param has_target: whether the user chooses another queue to move messages to.
    :param run: does it, with the form's values, and returns what it did.  It has a thread of its
        own, so it touches no database.
    """

    permission: str
    title: Text
    asks: Any
    notes: Text
    run: Callable[[Target, Mapping[str, str]], Done]
    asks_dead: Any = None
    asks_count: Any = None
    counts: Callable[[Target, QueueState], int | None] | None = None
    notes_count: Any = None
    has_target: bool = False

    def question(self, target: Target, form: Mapping[str, str]) -> str:
        """What is asked before it is done."""
        dead = self.asks_dead is not None and form.get("dead") == "yes"
        asks, count = self.asks_dead if dead else self.asks, len(chosen.ids_of(form))
        if self.counts is not None and (known := self.counts(target, state_of(target))):
            asks, count = self.asks_count, known
        return str(asks % {"queue": target.label, "count": count})

    def note(self, form: Mapping[str, str], done: Done | None) -> str:
        """What the admin's history says of it; None: nobody knows yet what was done."""
        if done is None or done.count is None or self.notes_count is None:
            return str(self.notes)
        values = {"count": done.count, "queue": form.get("target", "")}
        return str(self.notes_count % values)


def _all(target: Target, state: QueueState) -> int | None:
    return state.counts.total if state.counts else None


def _visible(target: Target, state: QueueState) -> int | None:
    return state.counts.visible if state.counts else None


def _dead(target: Target, state: QueueState) -> int | None:
    # Of those that queues share, nobody knows how many are whose.
    name = target.registered.full_dead_letter_name
    return None if name and redriving.is_shared(target, name) else state.dead


def _purge(target: Target, form: Mapping[str, str]) -> Done:
    counts = None
    with suppress(SQSError):
        counts = target.counts()
    target.requests.call("PurgeQueue", target.full_name)
    says = gettext("All messages of %(queue)s are being deleted; SQS takes up to 60 seconds.")
    # None: SQS's count is late, and says that there were none.
    return Done(says % {"queue": target.label}, (counts.total if counts else 0) or None)


def _redrive(target: Target, form: Mapping[str, str]) -> Done:
    dead_letters = target.dead_letters
    if redriving.start(target) is not None:
        says = gettext("SQS moves the messages of %(source)s to %(queue)s.")
        return Done(says % {"source": dead_letters, "queue": target.label})
    done = redriving.by_hand(target, limit=MOST_MOVED)
    says = _moved(done.moved, dead_letters, target.label) + _in_the_way(done)
    return Done(says, done.moved)


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


def _move(target: Target, form: Mapping[str, str]) -> Done:
    other = chosen.destination(form)
    moved = administration.move(
        target.requests, target.full_name, other.full_name, limit=MOST_MOVED
    )
    return Done(_moved(moved, target.label, other.label), moved)


def _moved(count: int, source: str, label: str) -> str:
    says = ngettext(
        "Moved %(count)d message from %(source)s to %(queue)s.",
        "Moved %(count)d messages from %(source)s to %(queue)s.",
        count,
    )
    return says % {"count": count, "source": source, "queue": label}


def _pause(target: Target, form: Mapping[str, str]) -> Done:
    text = form.get("seconds", "")
    reason = form.get("reason", "")
    seconds = int(text) if text in LENGTHS else None
    pause = target.registered.pause(seconds, reason=reason, suffix=target.suffix)
    says = gettext("Queue %(queue)s is paused: %(pause)s. Workers follow within a minute.")
    return Done(says % {"queue": target.label, "pause": describe(pause)})


def _resume(target: Target, form: Mapping[str, str]) -> Done:
    left, _said = resume(target)
    if left is None:
        says = gettext("Queue %(queue)s is resumed. Workers follow within a minute.")
        return Done(says % {"queue": target.label})
    says = gettext("Queue %(queue)s is still paused by its breaker: %(pause)s")
    return Done(says % {"queue": target.label, "pause": describe(left)})


#: How long a queue may be paused here, in seconds, and how that is written.
LENGTHS = {"900": _("for 15 minutes"), "3600": _("for an hour"), "86400": _("for a day")}

ACTIONS = {
    "pause": Action(
        "pause_queuereport",
        _("Pause %(queue)s"),
        _("Pause %(queue)s? New messages will wait in it."),
        _("Paused."),
        _pause,
    ),
    "resume": Action(
        "pause_queuereport",
        _("Resume %(queue)s"),
        _("Resume %(queue)s? Workers will receive from it again."),
        _("Resumed."),
        _resume,
    ),
    "purge": Action(
        "purge_queuereport",
        _("Delete all messages of %(queue)s"),
        _("Delete all messages of %(queue)s? This cannot be undone."),
        _("Deleted all messages."),
        _purge,
        asks_count=ngettext_lazy(
            "Delete the %(count)d message of %(queue)s? This cannot be undone.",
            "Delete all %(count)d messages of %(queue)s? This cannot be undone.",
            "count",
        ),
        counts=_all,
        notes_count=ngettext_lazy(
            "Deleted the %(count)d message.", "Deleted all %(count)d messages.", "count"
        ),
    ),
    "redrive": Action(
        "move_queuereport",
        _("Redrive dead letters of %(queue)s"),
        _("Move the dead letters of %(queue)s back into it?"),
        _("Moved dead letters back."),
        _redrive,
        asks_count=ngettext_lazy(
            "Move the %(count)d dead letter of %(queue)s back into it?",
            "Move the %(count)d dead letters of %(queue)s back into it?",
            "count",
        ),
        counts=_dead,
        notes_count=ngettext_lazy(
            "Moved %(count)d dead letter back.", "Moved %(count)d dead letters back.", "count"
        ),
    ),
    "move": Action(
        "move_queuereport",
        _("Move messages of %(queue)s"),
        _("Move the visible messages of %(queue)s to another queue?"),
        _("Moved messages to another queue."),
        _move,
        asks_count=ngettext_lazy(
            "Move the %(count)d visible message of %(queue)s to another queue?",
            "Move the %(count)d visible messages of %(queue)s to another queue?",
            "count",
        ),
        counts=_visible,
        notes_count=ngettext_lazy(
            "Moved %(count)d message to %(queue)s.",
            "Moved %(count)d messages to %(queue)s.",
            "count",
        ),
        has_target=True,
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
        notes_count=ngettext_lazy(
            "Moved %(count)d chosen dead letter back:",
            "Moved %(count)d chosen dead letters back:",
            "count",
        ),
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
        notes_count=ngettext_lazy(
            "Moved %(count)d chosen message to %(queue)s:",
            "Moved %(count)d chosen messages to %(queue)s:",
            "count",
        ),
        has_target=True,
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
        notes_count=ngettext_lazy(
            "Deleted %(count)d chosen message:", "Deleted %(count)d chosen messages:", "count"
        ),
    ),
}
