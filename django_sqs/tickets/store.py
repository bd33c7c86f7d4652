"""DatabaseTickets: one row for each ticket that was used, and the first to write it decides."""

from __future__ import annotations

import time
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import router, transaction
from django.db.models import Model, QuerySet

from django_sqs_kombu.exceptions import EnvironmentFailure

from ..optional import outboxes
from .models import UniqueKey, UsedTicket

Row = TypeVar("Row", bound=Model)

#: How often a key is asked for that comes and goes.
TRIES = 10


class DatabaseTickets:
    """Tickets in the database that the project's routers have for them.

    A receiver's row is committed before it starts.  A cancellation is a part of the caller's
    transaction: a receiver that would start meanwhile waits for its end.
    """

    def start(self, ticket_id: str) -> bool:
        """Note that a receiver starts with a message; return False where it was cancelled."""
        return not self._use(ticket_id, cancelled=False).cancelled

    def cancel(self, ticket_id: str) -> bool:
        """Let no receiver start with a message; return False where one has."""
        used = self._use(ticket_id, cancelled=True)
        if used.cancelled:
            # In the same database, so that what is rolled back is not deleted there.
            for outbox in outboxes.all():
                outbox.withdraw(ticket_id, str(used._state.db))
        return used.cancelled

    async def acancel(self, ticket_id: str) -> bool:
        """Cancel from asynchronous code."""
        # A transaction belongs to the thread that Django's database code runs in.
        return await sync_to_async(self.cancel)(ticket_id)

    @property
    def database(self) -> str:
        """The alias of the database that keys are in."""
        return router.db_for_write(UniqueKey)

    def claim(self, key: str, ticket_id: str, seconds: float) -> str:
        """Take *key* for a message, unless another has it; return the ticket of who has it.

        It is a part of the caller's transaction: whoever wants the key meanwhile waits for its end.
        """
        for _ in range(TRIES):
            if (owner := self._claim(key, ticket_id, seconds)) is not None:
                return owner
        raise EnvironmentFailure("A key came and went whenever it was asked for")

    def free(self, key: str, ticket_id: str) -> None:
        """Give *key* back, if that message has it."""
        rows = UniqueKey._base_manager.using(self.database)
        rows.filter(digest=key, ticket_id=ticket_id).delete()

    def _claim(self, key: str, ticket_id: str, seconds: float) -> str | None:
        using, now = self.database, time.time()
        rows = UniqueKey._base_manager.using(using)
        mine = UniqueKey(digest=key, ticket_id=ticket_id, expires=now + seconds)
        over = rows.filter(digest=key, expires__lte=now)
        with transaction.atomic(using=using):
            if over.update(ticket_id=ticket_id, expires=mine.expires):
                return ticket_id
            rows.bulk_create([mine], ignore_conflicts=True)
            row = _as_it_is(rows.filter(pk=key))
            return None if row is None else row.ticket_id

    def _use(self, ticket_id: str, *, cancelled: bool) -> UsedTicket:
        using = router.db_for_write(UsedTicket)
        rows = UsedTicket._base_manager.using(using)
        with transaction.atomic(using=using):
            # Waits for whoever writes the same row at the moment.
            mine = UsedTicket(ticket_id=ticket_id, cancelled=cancelled)
            rows.bulk_create([mine], ignore_conflicts=True)
            return _as_it_is(rows.filter(pk=ticket_id)) or mine


def _as_it_is(row: QuerySet[Row]) -> Row | None:
    """A row that was written, perhaps by another transaction a moment ago.

    It is locked only where a snapshot of the caller's transaction is older: on MySQL two that
    found the row there share its lock, and would wait for each other.
    """
    return row.first() or row.select_for_update().first()
