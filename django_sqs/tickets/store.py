"""DatabaseTickets: one row for each ticket that was used, and the first to write it decides."""

from __future__ import annotations

from django.db import router, transaction

from ..optional import outboxes
from .models import UsedTicket


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

    def _use(self, ticket_id: str, *, cancelled: bool) -> UsedTicket:
        using = router.db_for_write(UsedTicket)
        rows = UsedTicket._base_manager.using(using)
        with transaction.atomic(using=using):
            # Waits for whoever writes the same row at the moment.
            rows.bulk_create(
                [UsedTicket(ticket_id=ticket_id, cancelled=cancelled)], ignore_conflicts=True
            )
            # The row as it is now: a snapshot of a transaction may be older than another's.
            return rows.select_for_update().get(pk=ticket_id)
