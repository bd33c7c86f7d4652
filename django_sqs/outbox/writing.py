"""Writing: messages into the outbox, within the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import kombu
from django.db import transaction
from django.utils import timezone

from django_sqs_kombu.registration import Outgoing, RegisteredQueue, outside

from ..commits import warn_of_another
from ..connections import alias_of
from ..not_migrated import migrated
from ..portions import portions
from ..registry import receivers
from . import claims
from .models import OutboxMessage

APP = "django_sqs.outbox"


def write(
    registered: RegisteredQueue, suffix: str | None, message: Outgoing, *, using: str | None = None
) -> None:
    """Write a message; the relay sends it after the commit.

    What send() would refuse is refused here, and nothing is asked of SQS.

    :param using: the database; None: the one that the router has for the outbox.
    :raises NotMigrated: the table is not there.
    """
    queue = registered.get_queue(suffix)
    using = using or alias_of(OutboxMessage)
    row = _row(registered, queue, suffix, message)
    warn_of_another(registered.name, "outbox=True", using)
    if receivers.outlet is None:
        with migrated(APP, using):
            row.save(using=using, force_insert=True)
    else:
        _at_commit(using, partial(_hand_over, registered, queue, message))


def write_many(
    registered: RegisteredQueue,
    suffix: str | None,
    messages: Iterable[Outgoing],
    *,
    using: str | None = None,
) -> int:
    """Write messages, all or none; return how many.

    :raises NotMigrated: the table is not there.
    """
    queue = registered.get_queue(suffix)
    using = using or alias_of(OutboxMessage)
    warn_of_another(registered.name, "outbox=True", using)
    if receivers.outlet is not None:
        kept = list(messages)
        for message in kept:
            write(registered, suffix, message, using=using)
        return len(kept)
    rows = (_row(registered, queue, suffix, message) for message in messages)
    written = 0
    with transaction.atomic(using=using):
        # Where the messages come from may be a query: what that lacks is not the outbox's.
        for some in portions(rows, lambda row: row.body):
            with migrated(APP, using):
                OutboxMessage.objects.using(using).bulk_create(some)
            written += len(some)
    return written


def database(using: str | None) -> str:
    """The alias of the database that is written to where *using* was asked for."""
    return using or alias_of(OutboxMessage)


def withdraw(message_id: str, using: str) -> None:
    """Delete a message that no relay has begun to send from the database *using*."""
    if using == alias_of(OutboxMessage):
        with migrated(APP, using):
            claims.withdraw(message_id, using)


def _row(
    registered: RegisteredQueue, queue: kombu.Queue, suffix: str | None, message: Outgoing
) -> OutboxMessage:
    row = OutboxMessage(
        queue_name=registered.name,
        suffix=suffix or "",
        content_type=message.content_type,
        attributes=dict(message.attributes or {}),
        group_id=message.group_id or "",
        deduplication_id=message.deduplication_id or "",
        due_at=None if message.delay is None else timezone.now() + timedelta(seconds=message.delay),
        expires=message.expires,
        ticket=message.ticket,
        frees=message.frees or "",
    )
    if message.id is not None:
        row.uid = uuid.UUID(message.id)
    row.text = message.body
    # With the id that the relay gives it, which takes one of the ten attributes.
    receivers.check_unsent(registered, queue, replace(message, id=str(row.uid)))
    return row


def _hand_over(registered: RegisteredQueue, queue: kombu.Queue, message: Outgoing) -> None:
    # As the relay sends it: an open batch does not decide on it.
    with outside():
        receivers.send_one(registered, queue, message)


def _at_commit(using: str, send: Callable[[], None]) -> None:
    """Hand a message to a test's outlet when the relay could have sent it.

    The transaction of a TestCase is never committed, so there it is handed over at once.
    """
    blocks = transaction.get_connection(using).atomic_blocks
    if any(block._from_testcase for block in blocks):
        send()
    else:
        transaction.on_commit(send, using)
