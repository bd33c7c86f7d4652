"""What a person may do with the messages that were ticked when a queue was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from django_sqs_kombu import administration
from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.transport import SQSMessage

from ..operations.choosing import is_of_another
from ..operations.queues import Target
from .report import target_of

#: Messages that are looked at to find those that were ticked; they may have moved on.
MOST_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did.

    :param says: for the user, in the language of its thread.
    :param count: with how many messages; None: unknown, or it is about none.
    """

    says: str
    count: int | None = None


def redrive(target: Target, form: Mapping[str, str]) -> Done:
    """Move dead letters back into their queue, none of another that shares its dead letters."""
    return _move(target, target.dead_letters, target, form, back=True)


def move(target: Target, form: Mapping[str, str]) -> Done:
    """Move messages, or dead letters, to another queue."""
    return _move(target, source_of(target, form), destination(form), form)


def delete(target: Target, form: Mapping[str, str]) -> Done:
    """Delete messages, or dead letters, with their payloads in S3."""
    ids = ids_of(form)
    done = administration.delete(
        target.requests,
        source_of(target, form),
        wanted=lambda message: message["MessageId"] in ids,
        limit=len(ids),
        most=MOST_LOOKED_AT,
        deleted=target.channel.payloads.delete,
    )
    says = ngettext(
        "Deleted %(done)d of %(count)d chosen message.",
        "Deleted %(done)d of %(count)d chosen messages.",
        len(ids),
    )
    return Done(says % {"done": done, "count": len(ids)} + _left(done, len(ids)), done)


def destination(form: Mapping[str, str]) -> Target:
    """The queue that messages are to be moved to; it is declared.

    :raises ConfigurationError: it is none of this project.
    """
    other = target_of(form.get("target", ""))
    if other is None:
        raise ConfigurationError(gettext("Choose a queue of this project to move the messages to."))
    other.declare()
    return other


def ids_of(form: Mapping[str, str]) -> frozenset[str]:
    """The ids of the messages that were ticked."""
    return frozenset(form.get("ids", "").split())


def source_of(target: Target, form: Mapping[str, str]) -> str:
    """The name in SQS of the queue that was looked at."""
    return target.dead_letters if form.get("dead") == "yes" else target.full_name


def _move(
    target: Target, source: str, other: Target, form: Mapping[str, str], *, back: bool = False
) -> Done:
    ids = ids_of(form)

    def is_chosen(message: SQSMessage) -> bool:
        return message["MessageId"] in ids and not (back and is_of_another(other, message))

    done = administration.move(
        target.requests,
        source,
        other.full_name,
        limit=len(ids),
        wanted=is_chosen,
        most=MOST_LOOKED_AT,
        # These are known by their ids, and a copy that comes back has another.  SQS's counts
        # are late, and would leave some in place that were just looked at.
        arriving=True,
    )
    says = ngettext(
        "Moved %(done)d of %(count)d chosen message to %(queue)s.",
        "Moved %(done)d of %(count)d chosen messages to %(queue)s.",
        len(ids),
    )
    told = says % {"done": done, "count": len(ids), "queue": other.label}
    return Done(told + _left(done, len(ids)), done)


def _left(done: int, chosen: int) -> str:
    if done == chosen:
        return ""
    return " " + gettext(
        "The others are no longer visible, belong to another queue or, in a FIFO queue, are behind "
        "others of their message group."
    )
