"""Databases: those that may have rows to send."""

from __future__ import annotations

import time

from django.db import connections, router

from django_sqs_kombu.logs import get_logger

from ..connections import is_read_only, let_go
from .models import OutboxMessage

logger = get_logger(__name__)

#: Seconds after which a database without the table is asked for it again.
LOOK_AGAIN = 60.0


def outbox_databases() -> list[str]:
    """The aliases of the databases that the router lets have the outbox, its own first.

    Rows are written where the transaction is that they belong to (``using=``), so there may be
    several.  What a router keeps from the table, as it does with a replica, is not among them.
    """
    main = router.db_for_write(OutboxMessage)
    others = [
        alias
        for alias in connections
        if alias not in (main, router.db_for_read(OutboxMessage))
        # "default": {}, where each model has a router.
        and connections[alias].vendor != "unknown"
        and not connections[alias].settings_dict["TEST"].get("MIRROR")
        and router.allow_migrate_model(alias, OutboxMessage)
    ]
    return [main, *others]


class Tables:
    """Remembers which of the databases have the table."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._look_at: dict[str, float] = {}

    def databases(self) -> list[str]:
        """The databases to serve: the router's own, and those others that have the table."""
        main, *others = outbox_databases()
        return [main, *(alias for alias in others if self._has_table(alias))]

    def _has_table(self, alias: str) -> bool:
        if alias in self._there:
            return True
        now = time.monotonic()
        if now < self._look_at.get(alias, now):
            return False
        self._look_at[alias] = now + LOOK_AGAIN
        connection = connections[alias]
        was_open = connection.connection is not None
        try:
            there = OutboxMessage._meta.db_table in connection.introspection.table_names()
            there = there and not is_read_only(connection)
        except Exception as exc:  # noqa: BLE001 - whatever a backend may raise
            logger.warning("Cannot find out whether database %r has an outbox: %s", alias, exc)
            there = False
        if there:
            self._there.add(alias)
        elif not was_open:
            # No connection is kept to a database that is none of the outbox's.
            let_go(connection)
        return there
