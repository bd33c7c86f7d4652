"""Writing: a message into the outbox, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone

from .models import OutboxMessage


def write(
    queue_name: str,
    suffix: str | None,
    body: str,
    content_type: str,
    *,
    using: str | None = None,
    delay: float | None = None,
    group_id: str | None = None,
    deduplication_id: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Write a message; the relay sends it after the commit."""
    OutboxMessage.objects.using(using).create(
        queue_name=queue_name,
        suffix=suffix or "",
        body=body,
        content_type=content_type,
        attributes=dict(attributes or {}),
        group_id=group_id or "",
        deduplication_id=deduplication_id or "",
        due_at=None if delay is None else timezone.now() + timedelta(seconds=delay),
    )
