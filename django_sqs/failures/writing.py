"""FailureWriter: writes failures, many in one transaction, and counts them in their groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from django.db import (
    DataError,
    Error,
    IntegrityError,
    connections,
    router,
    transaction,
)
from django.db.models import F

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import TEXT, line, text_of

from ..connections import connect, drop_broken, give_back
from ..not_migrated import advice, lacks_tables
from ..portions import as_json, portions
from ..refused_writes import MOST_TRIES, answers, may_be_too_large
from ..registry import receivers
from ..signals import failure_noted
from .models import Failure, FailureGroup, State

logger = get_logger(__name__)

TOO_LARGE = (
    "The failure of message %s of queue %s is too large for the database; its body is left out"
)

Noted = tuple[str, Failure]


class FailureWriter:
    """Writes what :class:`~.noting.FailureNotes` notes; safe to write twice.

    A database that is away raises, and all are written again later: meanwhile their messages
    are held.  A row that the database refuses is left out, which the log says; one that is too
    large for it is written without its body.
    """

    def __init__(self) -> None:
        #: By receipt, how often a row may have been too large.
        self._tries: Counter[str] = Counter()

    def write(self, contents: Sequence[Noted]) -> None:
        """Write all of them, in this thread's connection.

        :raises django.db.Error: some could not be written now.
        """
        using = router.db_for_write(Failure)
        try:
            # What keeps it from connecting may look like a row that is refused.
            connect(using)
            _write(using, contents)
        except Error as exc:
            if lacks_tables(exc) or _lacks_tables(using):
                # Messages must not wait for somebody to migrate.
                logger.exception("%d failures cannot be stored. %s", len(contents), advice(using))
                return
            drop_broken(using, exc)
            if not may_be_too_large(exc) or not answers(using, exc):
                raise
            self._write_each(using, contents)
        finally:
            give_back(using)

    def _write_each(self, using: str, contents: Sequence[Noted]) -> None:
        """Write each alone, since one may be too large.

        :raises django.db.Error: one could not be written, which it may be the next time.
        """
        failure: Error | None = None
        for mark, row in contents:
            try:
                _write(using, [(mark, row)])
            except Error as exc:
                if not may_be_too_large(exc) or not answers(using, exc):
                    raise
                self._tries[row.receipt] += 1
                if self._tries[row.receipt] < MOST_TRIES:
                    failure = exc
                    continue
                logger.exception(TOO_LARGE, row.message_id, row.full_name)
                _write(using, [(mark, _without_body(row, exc))])
            self._tries.pop(row.receipt, None)
        if failure is not None:
            raise failure

    def rest(self) -> None:
        """Close this thread's connections."""
        connections.close_all()


def _without_body(row: Failure, exc: Error) -> Failure:
    """What is written of one that is too large for the database."""
    row.body, row.attributes = "", {}
    row.text = f"(Its body could not be stored: {line(text_of(exc), TEXT)})"
    return row


def _lacks_tables(using: str) -> bool:
    try:
        connect(using)
        return Failure._meta.db_table not in connections[using].introspection.table_names()
    except Error:
        return False


def _write(using: str, contents: Sequence[Noted]) -> None:
    try:
        _tell(write_all(using, contents))
    except (DataError, IntegrityError, ValueError):
        for each in contents:
            _write_alone(using, each)


def _write_alone(using: str, noted: Noted) -> None:
    try:
        _tell(write_all(using, [noted]))
    except (DataError, IntegrityError, ValueError):
        row = noted[1]
        logger.exception(
            "The failure of message %s of queue %s cannot be stored", row.message_id, row.full_name
        )


def _tell(rows: Iterable[Failure]) -> None:
    for row in rows:
        queue = receivers.queues.get(row.queue_name)
        failure_noted.send_robust(type(row), queue=queue, failure=row)


def write_all(using: str, contents: Sequence[Noted]) -> list[Failure]:
    """Write failures and count them; return them without those that were written before.

    :raises django.db.Error: nothing is written.
    """
    with transaction.atomic(using=using):
        receipts = [row.receipt for _, row in contents]
        known = set(
            Failure.objects.using(using)
            .filter(receipt__in=receipts)
            .values_list("receipt", flat=True)
        )
        fresh = {row.receipt: (mark, row) for mark, row in contents if row.receipt not in known}
        groups = _groups(using, fresh.values())
        for mark, row in fresh.values():
            row.group_id = groups[mark]
        rows = [row for _, row in fresh.values()]
        for some in portions(rows, _large):
            Failure.objects.using(using).bulk_create(some)
    return rows


def _large(row: Failure) -> str:
    """What of a row is large, if anything is."""
    return row.body + row.text + row.traceback + as_json(row.attributes)


def _groups(using: str, contents: Iterable[Noted]) -> dict[str, int]:
    """Count failures in their groups, which are made where they are new; return their keys."""
    by_mark: dict[str, list[Failure]] = defaultdict(list)
    for mark, row in contents:
        by_mark[mark].append(row)
    # In one order for all processes, so that two do not deadlock.
    return {mark: _count(using, mark, by_mark[mark]) for mark in sorted(by_mark)}


def _count(using: str, mark: str, rows: Sequence[Failure]) -> int:
    groups = FailureGroup.objects.using(using)
    latest = max(rows, key=lambda row: row.failed_at)
    facts = {
        "queue_name": latest.queue_name,
        "error_class": latest.error_class,
        "error": latest.error[:500],
        "first_seen": min(row.failed_at for row in rows),
        "last_seen": latest.failed_at,
    }
    group, _ = groups.get_or_create(fingerprint=mark, defaults=facts)
    groups.filter(pk=group.pk).update(
        seen=F("seen") + len(rows),
        waiting=F("waiting") + sum(row.state == State.WAITING for row in rows),
        error=facts["error"],
        last_seen=latest.failed_at,
    )
    return int(group.pk)
