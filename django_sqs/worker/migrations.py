"""Waiting, before anything is received, for the migrations of the databases."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, OperationalError, connections
from django.db.migrations.executor import MigrationExecutor

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.logs import get_logger

from ..connections import drop_unclosed
from ..database_errors import as_database_errors

logger = get_logger(__name__)

#: Seconds between two looks: at first, how much longer each time, and at most.
FIRST_PAUSE, GROWTH, LAST_PAUSE = 0.5, 1.5, 5.0


class ToldToStop(BaseException):
    """A signal, raised wherever it comes: also in a database that does not answer."""


def wait_for_migrations(patience: float, waiting: Callable[[str | None], None]) -> bool:
    """Wait until no migration is to be applied; False: SIGTERM or SIGINT came before.

    A database that is away is waited for, too, and then left to the receivers, which wait for
    it as always.

    :param patience: seconds.
    :param waiting: told what is waited for, and None at the end.
    :raises ConfigurationError: migrations are still to be applied after the patience.
    """
    try:
        with _signals_raised():
            _wait(patience, waiting)
    except ToldToStop as stop:
        logger.info("Stopping on %s", stop)
        return False
    waiting(None)
    return True


@contextmanager
def _signals_raised() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        raise ToldToStop(signal.Signals(signum).name)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(patience: float, waiting: Callable[[str | None], None]) -> None:
    deadline = time.monotonic() + patience
    pause, told = FIRST_PAUSE, False
    while (found := _look()) is not None:
        waiting(found.reason)
        if time.monotonic() >= deadline:
            found.give_up(patience)
            return
        if not told:
            logger.warning(
                "Waiting up to %g s before receiving: %s%s",
                patience,
                found.reason,
                "" if found.away else ". Run manage.py migrate",
            )
            told = True
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(LAST_PAUSE, pause * GROWTH)
    if told:
        logger.warning("All migrations are applied: receiving")


@dataclass(frozen=True, slots=True)
class _Found:
    """What keeps the worker from receiving.

    :param reason: in words.
    :param away: it is a database that cannot be asked, and no migration.
    """

    reason: str
    away: bool

    def give_up(self, patience: float) -> None:
        """Go on without a database; raise ConfigurationError without migrations."""
        if not self.away:
            raise ConfigurationError(
                f"After {patience:g} s it is still {self.reason}. Run manage.py migrate; to start "
                "without waiting, set SQS_MIGRATIONS_PATIENCE = 0."
            )
        logger.error("Receiving although %s", self.reason)


def _look() -> _Found | None:
    missing: list[str] = []
    away = None
    for connection in connections.all():
        try:
            with as_database_errors():
                missing += _unapplied(connection)
        except (OperationalError, InterfaceError) as exc:
            away = f"database {connection.alias!r} does not say which migrations are applied: {exc}"
        except DatabaseError as exc:
            # It may not be read, say.
            logger.warning(
                "Not waiting for the migrations of database %r: %s", connection.alias, exc
            )
        finally:
            # Not that of a test around all of this.
            if not connection.in_atomic_block:
                _close(connection)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return _Found(f"not migrated: {missing[0]}{more}", away=False)
    return None if away is None else _Found(away.strip(), away=True)


def _close(connection: Any) -> None:
    try:
        connection.close()
    except Exception as exc:  # noqa: BLE001 - whatever a driver says of closing one
        drop_unclosed(connection, exc)


def _unapplied(connection: Any) -> list[str]:
    """The migrations that a database is to have and has not."""
    if connection.vendor == "unknown":
        # DATABASES is empty.
        return []
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    if connection.alias != DEFAULT_DB_ALIAS:
        leaves = [leaf for leaf in leaves if leaf[0] in _migrated_apps(executor)]
    plan = executor.migration_plan(leaves)
    return [f"{each.app_label}.{each.name} in database {connection.alias!r}" for each, _ in plan]


def _migrated_apps(executor: MigrationExecutor) -> set[str]:
    """The apps that were migrated in a further database: others are not to be there.

    One with those of apps that are not installed here is another project's.
    """
    loader = executor.loader
    if not executor.recorder.has_table():
        return set()
    labels = {label for label, _ in loader.applied_migrations or ()}
    return labels if loader.migrated_apps.issuperset(labels) else set()
