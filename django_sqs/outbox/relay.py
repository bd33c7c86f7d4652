"""Relay: sends what is in the outbox, in order for each FIFO group."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import Any

from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import Q
from django.utils import timezone

from django_sqs_kombu.exceptions import RequestFailed, SQSError
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration import Outgoing
from django_sqs_kombu.transport.sending.dispatch import send_list
from django_sqs_kombu.working import Sending, around_sending

from ..registry import receivers
from .models import OutboxMessage, RelayLock

logger = logging.getLogger(__name__)

#: Rows taken in one transaction.
ROWS = 100
#: The longest pause before a database that failed is tried again, in seconds.
LONGEST_PAUSE = 16.0
#: The first and the longest pause before a message is tried again, in seconds.
FIRST_PAUSE, LAST_PAUSE = 1, 300

Entry = tuple[OutboxMessage, dict[str, Any]]


class Relay:
    """Sends the rows of the outbox and deletes them.

    One relay sends at a time; others wait for it in the database.  A crash between the
    sending and the commit means that a message is sent again with the same id: a FIFO
    queue drops it, and so does a receiver with ``once=True``.

    :param period: seconds between two looks into an empty outbox.
    """

    def __init__(self, period: float = 1.0) -> None:
        self._period = period
        self._stopping = Event()

    def stop(self) -> None:
        """Make :meth:`run` return after the request that is under way."""
        self._stopping.set()

    def run(self) -> None:
        """Send until stopped."""
        pause = self._period
        while not self._stopping.is_set():
            sent = 0
            try:
                close_old_connections()
                sent = self.send_some()
                pause = self._period
            except DatabaseError as exc:
                pause = min(LONGEST_PAUSE, pause * 2)
                logger.error("The outbox cannot be read, trying again: %s", exc)
            except Exception:
                logger.exception("The outbox could not be relayed, trying again")
            if not sent:
                self._stopping.wait(pause)
        close_old_connections()

    def send_all(self) -> int:
        """Send until nothing is left that can be sent now; return how many were."""
        total = 0
        while sent := self.send_some():
            total += sent
        return total

    def send_some(self) -> int:
        """Send up to :data:`ROWS` messages; return how many SQS accepted."""
        with transaction.atomic():
            self._lock()
            now = timezone.now()
            ready = Q(try_after=None) | Q(try_after__lte=now)
            rows = list(OutboxMessage.objects.filter(ready).order_by("pk")[:ROWS])
            sent: list[OutboxMessage] = []
            for queue_name, suffix in dict.fromkeys((row.queue_name, row.suffix) for row in rows):
                mine = [r for r in rows if (r.queue_name, r.suffix) == (queue_name, suffix)]
                sent += self._send_queue(queue_name, suffix, mine)
            OutboxMessage.objects.filter(pk__in=[row.pk for row in sent]).delete()
        return len(sent)

    def _lock(self) -> None:
        RelayLock.objects.get_or_create(pk=1)
        # A write, which takes SQLite's lock, too: that knows no SELECT FOR UPDATE.
        RelayLock.objects.filter(pk=1).update(taken_at=timezone.now())

    def _send_queue(
        self, queue_name: str, suffix: str, rows: Sequence[OutboxMessage]
    ) -> list[OutboxMessage]:
        try:
            registered = receivers.get(queue_name)
            queue = registered.get_queue(suffix or None)
            channel = receivers.channel()
            channel.declare_lazily(queue)
        except SQSError as exc:
            for row in rows:
                self._postpone(row, exc)
            return []
        fifo = queue.name.endswith(FIFO)
        blocked = self._blocked(rows) if fifo else set()
        entries: list[Entry] = []
        for row in rows:
            # What follows in a group must not overtake what failed before.
            if row.group_id in blocked:
                continue
            try:
                entries.append((row, self._entry(channel, queue.name, row)))
            except SQSError as exc:
                # One that is too large, for instance, must not hold up the others.
                self._postpone(row, exc)
                if fifo:
                    blocked.add(row.group_id)
        return self._send(channel, queue.name, entries) if entries else []

    def _blocked(self, rows: Sequence[OutboxMessage]) -> set[str]:
        """The groups of a FIFO queue with an older message that has to be tried later."""
        waiting = OutboxMessage.objects.filter(
            queue_name=rows[0].queue_name,
            suffix=rows[0].suffix,
            try_after__gt=timezone.now(),
        )
        return set(waiting.values_list("group_id", flat=True))

    def _entry(self, channel: Any, name: str, row: OutboxMessage) -> dict[str, Any]:
        delay = None
        if row.due_at is not None:
            delay = max(0.0, (row.due_at - timezone.now()).total_seconds())
        fifo = name.endswith(FIFO)
        message = Outgoing(
            row.body,
            row.content_type,
            delay,
            row.group_id or None,
            (row.deduplication_id or str(row.uid)) if fifo else None,
            row.attributes,
            str(row.uid),
        )
        entry: dict[str, Any] = channel.entry(
            name, message.body, message.content_type, message.properties()
        )
        return entry

    def _send(self, channel: Any, name: str, entries: list[Entry]) -> list[OutboxMessage]:
        sending = Sending(receivers.get(entries[0][0].queue_name), name, 0)
        with (
            suppress(RequestFailed),
            around_sending(receivers.instruments, sending),
        ):
            result = send_list(channel.requests, name, [entry for _, entry in entries])
            sending.count = result.errors.count(None)
            if sending.count == 0 and (failure := result.errors[0]) is not None:
                # For the instruments alone: each row is told its own below.
                raise failure
        sent = []
        for number, (row, _) in enumerate(entries):
            error = result.errors[number]
            if error is None:
                sent.append(row)
            elif number not in result.untried:
                self._postpone(row, error)
        return sent

    def _postpone(self, row: OutboxMessage, error: Exception) -> None:
        pause = min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(row.tries, 10))
        logger.error("Message %s is sent again in %d s: %s", row, pause, error)
        OutboxMessage.objects.filter(pk=row.pk).update(
            tries=row.tries + 1,
            try_after=timezone.now() + timedelta(seconds=pause),
            error=str(error)[:1000],
        )
