"""DatabaseTickets: one row for each ticket that was used, and the first to write it decides."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import OperationalError, connections, transaction
from django.db.models import Model, QuerySet

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.transport import STARTED, Note
from django_sqs_kombu.working import Ended, KeyWriter

from ..clocks import brought_forward
from ..connections import drop_broken, writing_apart
from ..database_errors import is_conflict
from ..not_migrated import migrated
from ..optional import outboxes
from ..steady import steady_alias_of
from .models import UniqueKey, UsedTicket

Row = TypeVar("Row", bound=Model)
T = TypeVar("T")

APP = "django_sqs.tickets"
#: How often a key is asked for that comes and goes.
TRIES = 10
#: Seconds between the looks whether a key is still in another's transaction, and at most those
#: between the tries of a transaction that others are in the way of.
PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)


class DatabaseTickets:
    """Tickets in the database that the project's routers have for them.

    Where its tables are not there, a key cannot be claimed and nothing be started or cancelled:
    that raises :class:`~django_sqs.not_migrated.NotMigrated`.
    A receiver's row is committed before it starts.  A cancellation is a part of the caller's
    transaction: a receiver that would start meanwhile waits for its end.
    """

    def start(self, ticket_id: str) -> bool:
        """Note that a receiver starts with a message; return False where it was cancelled."""
        use = partial(self._use, ticket_id, cancelled=False)
        return not _whatever_others_do(steady_alias_of(UsedTicket), use).cancelled

    def cancel(self, ticket_id: str) -> bool:
        """Let no receiver start with a message; return False if one has started."""
        return _whatever_others_do(steady_alias_of(UsedTicket), partial(self._cancel, ticket_id))

    async def acancel(self, ticket_id: str) -> bool:
        """Cancel from asynchronous code."""
        # A transaction belongs to the thread that Django's database code runs in.
        return await sync_to_async(self.cancel)(ticket_id)

    @property
    def database(self) -> str:
        """The alias of the database that keys are in."""
        return steady_alias_of(UniqueKey)

    def claim(
        self,
        key: str,
        ticket_id: str,
        seconds: float,
        *,
        until: str | None = None,
        queue: str = "",
    ) -> str:
        """Take *key* for a message, unless another has it; return the ticket of who has it.

        It is a part of the caller's transaction: whoever wants the key meanwhile waits for its end.

        :param until: ``"started"``: so does a receiver of who has it, since it is to read what
            the transaction writes.
        """
        mine = UniqueKey(digest=key, ticket_id=ticket_id, queue=queue, seconds=seconds)
        for _ in range(TRIES):
            mine.expires = time.time() + seconds
            claim = partial(self._claim, mine, keeps=until == STARTED)
            if (owner := _whatever_others_do(self.database, claim)) is not None:
                return owner
        raise EnvironmentFailure(f"Queue {queue!r}: a unique key kept appearing and disappearing")

    def free(self, key: str, ticket_id: str) -> None:
        """Give *key* back, if that message has it."""
        rows = UniqueKey._base_manager.using(self.database)
        rows.filter(digest=key, ticket_id=ticket_id).delete()

    def unclaim(self, key: str, ticket_id: str, exc: BaseException) -> None:
        """Give *key* back after a claim that raised *exc*, as where a commit's answer was lost."""
        using = self.database
        # Else it goes with the caller's transaction.
        if not connections[using].in_atomic_block:
            drop_broken(using, exc)
            self.free(key, ticket_id)

    def free_all(self, ticket_ids: Sequence[str]) -> None:
        """Give back whatever keys these messages have."""
        rows = UniqueKey._base_manager.using(self.database).filter(ticket_id__in=ticket_ids)
        # Most have none, and a DELETE that finds nothing locks others' rows on MySQL, and SQLite.
        if keys := list(rows.values_list("pk", flat=True)):
            rows.filter(pk__in=keys).delete()

    def free_at_start(self, ticket_id: str) -> None:
        """Give back the key of a message whose receiver starts now.

        :raises DatabaseError: it is in the transaction of one who was told that the message waits,
            and for most of a second that did not end.
        """
        rows = UniqueKey._base_manager.using(self.database).filter(ticket_id=ticket_id)
        # Most have none, as in free_all().
        if not (keys := list(rows.values_list("pk", flat=True))):
            return
        nowait = connections[self.database].features.has_select_for_update_nowait
        for pause in (*(PAUSES if nowait else ()), None):
            try:
                with transaction.atomic(using=self.database):
                    found = rows.filter(pk__in=keys).select_for_update(nowait=nowait)
                    rows.filter(pk__in=list(found.values_list("pk", flat=True))).delete()
            except OperationalError:
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def note_of_end(self, ticket_id: str) -> Note | None:
        """What gives a message's key back before SQS is told of its end; None: it is free."""
        if connections[self.database].in_atomic_block:
            # A test's: another connection would not see what it has not committed.
            self.free_all([ticket_id])
            return None
        return Note(_WRITER, Ended(self, ticket_id))

    def _cancel(self, ticket_id: str) -> bool:
        with transaction.atomic(using=steady_alias_of(UsedTicket)):
            used = self._use(ticket_id, cancelled=True)
            if used.cancelled:
                # In the same database, so that what is rolled back is not deleted there.
                for outbox in outboxes.all():
                    outbox.withdraw(ticket_id, str(used._state.db))
                self.free_all([ticket_id])
        return used.cancelled

    def _claim(self, mine: UniqueKey, *, keeps: bool) -> str | None:
        using = self.database
        rows = UniqueKey._base_manager.using(using)
        over = rows.filter(digest=mine.digest, expires__lte=time.time())
        keeps = keeps and connections[using].in_atomic_block
        with migrated(APP, using), transaction.atomic(using=using):
            if over.update(
                ticket_id=mine.ticket_id,
                expires=mine.expires,
                seconds=mine.seconds,
                queue=mine.queue,
            ):
                return mine.ticket_id
            rows.bulk_create([mine], ignore_conflicts=True)
            row = _as_it_is(rows.filter(pk=mine.digest))
            if row is not None and row.ticket_id != mine.ticket_id:
                _bring_forward(using, row)
                row = _kept(using, row, keeps=keeps)
            return None if row is None else row.ticket_id

    def _use(self, ticket_id: str, *, cancelled: bool) -> UsedTicket:
        using = steady_alias_of(UsedTicket)
        rows = UsedTicket._base_manager.using(using)
        with migrated(APP, using), transaction.atomic(using=using):
            # Waits for whoever writes the same row at the moment.
            mine = UsedTicket(ticket_id=ticket_id, cancelled=cancelled)
            rows.bulk_create([mine], ignore_conflicts=True)
            return _as_it_is(rows.filter(pk=ticket_id)) or mine


class _KeyWriter(KeyWriter):
    """Gives keys back in a thread of its own, and looks after that thread's connections."""

    def write(self, contents: Sequence[Ended]) -> None:
        """Give back all of them."""
        using = steady_alias_of(UniqueKey)
        with writing_apart(using):
            super().write(contents)

    def rest(self) -> None:
        """Close this thread's connections."""
        connections.close_all()


_WRITER = _KeyWriter()


def _whatever_others_do(using: str, write: Callable[[], T]) -> T:
    """Call *write*, a few times where others are in its way, and return what it returns.

    In a transaction of the caller's only that could be tried again.
    """
    for pause in () if connections[using].in_atomic_block else PAUSES:
        try:
            return write()
        except OperationalError as exc:
            if not is_conflict(exc):
                raise
        time.sleep(pause * random.random())  # noqa: S311 - no secret
    return write()


def _bring_forward(using: str, row: UniqueKey) -> None:
    """Have a key end in its time, from now on, that a host took whose clock was ahead."""
    if row.seconds is None:
        # An older version took it.
        return
    expires = brought_forward(using, row.expires, row.seconds)
    if expires != row.expires:
        rows = UniqueKey._base_manager.using(using)
        rows.filter(digest=row.digest, expires=row.expires).update(expires=expires)


def _kept(using: str, row: UniqueKey, *, keeps: bool) -> UniqueKey | None:
    """*row* as it is now; None: somebody has just deleted it.

    :param keeps: whether nobody is to delete it before the transaction ends.  Where it was found
        by INSERT, MySQL sees to that, and SQLite has one writer at a time.
    """
    vendor = connections[using].vendor
    if vendor == "mysql":
        # The caller's transaction may have an older snapshot, where another message has the key.
        lock = "LOCK IN SHARE MODE"
    elif vendor == "postgresql" and keeps:
        # As for a foreign key: others may have it at once, unlike select_for_update().
        lock = "FOR KEY SHARE"
    else:
        return row
    table = connections[using].ops.quote_name(UniqueKey._meta.db_table)
    sql = f"SELECT * FROM {table} WHERE digest = %s {lock}"  # noqa: S608 - names of ours
    return next(iter(UniqueKey._base_manager.using(using).raw(sql, [row.digest])), None)


def _as_it_is(row: QuerySet[Row]) -> Row | None:
    """A row that was written, perhaps by another transaction a moment ago.

    It is locked only where a snapshot of the caller's transaction is older: on MySQL two that
    found the row there share its lock, and would wait for each other.
    """
    return row.first() or row.select_for_update().first()
