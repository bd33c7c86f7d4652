"""Writing: messages into the outbox, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from django.db import transaction
from django.utils import timezone

from django_sqs_kombu.registration import Outgoing

from .models import OutboxMessage

#: Rows written by one statement.
ROWS = 500


def write(
    queue_name: str, suffix: str | None, message: Outgoing, *, using: str | None = None
) -> None:
    """Write a message; the relay sends it after the commit."""
    _row(queue_name, suffix, message).save(using=using)


def write_many(
    queue_name: str, suffix: str | None, messages: Iterable[Outgoing], *, using: str | None = None
) -> int:
    """Write messages, all or none; return how many."""
    rows = (_row(queue_name, suffix, message) for message in messages)
    written = 0
    with transaction.atomic(using=using):
        while some := list(islice(rows, ROWS)):
            OutboxMessage.objects.using(using).bulk_create(some)
            written += len(some)
    return written


def _row(queue_name: str, suffix: str | None, message: Outgoing) -> OutboxMessage:
    # It is checked with the id that the relay will give it, which takes an attribute.
    delay = replace(message, id="to be").delay
    return OutboxMessage(
        queue_name=queue_name,
        suffix=suffix or "",
        body=message.body,
        content_type=message.content_type,
        attributes=dict(message.attributes or {}),
        group_id=message.group_id or "",
        deduplication_id=message.deduplication_id or "",
        due_at=None if delay is None else timezone.now() + timedelta(seconds=delay),
    )
