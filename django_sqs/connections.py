"""Database connections of what receives: kept from message to message, whole, and its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.core.cache import caches
from django.db import Error, connections, router
from django.db.models import Model

from django_sqs_kombu.exceptions import SQSError, TimedOut
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import repr_of

from .conf import conf
from .database_errors import NotConnected, as_database_errors, is_of_database
from .forking import forks
from .half_read import close_cursors, cursors_here
from .refusals import Refusals, seen_by

logger = get_logger(__name__)

#: A DatabaseWrapper; Django's type stubs know too little of it.
Connection = Any
T = TypeVar("T")

#: Seconds for which a connection that was just used is taken to work; after a longer rest it
#: is asked before its first query, which costs a round trip.
FRESH = 1.0


#: What returns a row where a server, or this connection to it, may only be read.  Of MySQL and its
#: kin not all know each of the variables, and newer ones say more than that it is on.
_READ_ONLY = {
    "postgresql": "SELECT 1 WHERE current_setting('transaction_read_only') = 'on'",
    "mysql": (
        "SHOW VARIABLES WHERE Variable_name IN ('read_only', 'innodb_read_only', 'tx_read_only', "
        "'transaction_read_only') AND Value NOT IN ('OFF', '0')"
    ),
}


class _Local(threading.local):
    #: When this thread ended its last message.
    used_at = 0.0
    #: Whether it has its caches, whatever they are.
    has_caches = False


_local = _Local()

#: What a fork left in this process.  It is kept for ever: to close it, as garbage collection
#: would, would end the connection of the process that it belongs to.
_inherited: list[Any] = []


@contextmanager
def around_message(*, close: bool = False, timeout: float | None = None) -> Iterator[None]:
    """Look after this thread's connections before a message and after it.

    Those that are inside of a transaction before are somebody else's, such as those of a
    TestCase around all of this, and left alone.

    :param close: close all of them after the message.
    :param timeout: the receiver's time limit, in seconds.  One that was interrupted may have
        left its connections amid a query or a transaction, so they are dropped.
    """
    if not _local.has_caches:
        _local.has_caches = True
        _make_caches()
    used = used_here()
    # Asked once for a message, and not for one that uses no database.
    kept = conf.conn_max_age if used else None
    theirs = {each.alias for each in used if each.in_atomic_block}
    fresh = time.monotonic() < _local.used_at + FRESH
    for connection in used:
        connection.queries_log.clear()  # As before a request.
        if connection.alias in theirs:
            continue
        try:
            _close_if_obsolete(connection, kept)
        except Exception as exc:  # noqa: BLE001 - whatever a driver says of closing one
            # The message gets another.
            drop_unclosed(connection, exc)
        connection.health_check_enabled = True
        connection.health_check_done = fresh
    refusals, started = Refusals(), time.monotonic()
    try:
        with seen_by(refusals, *(each for each in used if each.alias not in theirs)):
            yield
    finally:
        _local.used_at = time.monotonic()
        interrupted = bool(timeout) and _local.used_at - started >= (timeout or 0)
        for connection in _mine(theirs):
            try:
                # A transaction that outlives its message never ends.
                if interrupted or connection.in_atomic_block:
                    drop(connection)
                elif close:
                    connection.close()
                elif (
                    connection.errors_occurred or connection.alias in refusals.by
                ) and _is_of_no_use(connection):
                    discard(connection)
                else:
                    _close_if_obsolete(connection, kept)
            except Exception as exc:  # noqa: BLE001 - whatever a driver says of closing one
                drop_unclosed(connection, exc)


def _make_caches() -> None:
    """Make this thread's caches, which connect when they are used.

    Django keeps them in a context variable, and each message has its own of these: one that is
    first asked for within a message would be gone with it, and its connection as well.
    """
    for alias in caches:
        with suppress(Exception):
            caches[alias]


def after_pause() -> None:
    """This process was stopped for any time: what is kept must be asked whether it works."""
    _local.used_at = -FRESH


def before_pause() -> None:
    """This process may be stopped for any time: close what the project keeps no longer.

    That is as after a request, by CONN_MAX_AGE alone: nobody would close it later.
    """
    for connection in used_here():
        if connection.in_atomic_block:
            continue
        try:
            connection.close_if_unusable_or_obsolete()
        except Exception as exc:  # noqa: BLE001 - whatever a driver says of closing one
            drop_unclosed(connection, exc)


def let_go(connection: Connection) -> None:
    """Close a connection; one that cannot be closed is dropped."""
    try:
        connection.close()
    except Exception as exc:  # noqa: BLE001 - whatever a driver says of what is broken
        drop_unclosed(connection, exc)


def drop(connection: Connection) -> None:
    """Close a connection in whatever state it is; its next query opens another."""
    # What Django closes inside of a transaction stays closed until the block is left, and
    # nobody is to leave it any more.
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.atomic_blocks = []
    connection.needs_rollback = False
    connection.closed_in_transaction = False
    connection.commit_on_exit = True
    try:
        connection.close()
    except Exception as exc:  # noqa: BLE001 - whatever a driver says of what is broken
        logger.debug("A broken database connection could not be closed: %s", exc)
        connection.connection = None
    if connection.connection is not None:
        # SQLite in memory, which Django does not close.
        with suppress(Error):
            connection.rollback()
            connection.set_autocommit(connection.settings_dict["AUTOCOMMIT"])


def drop_unclosed(connection: Connection, exc: Exception) -> None:
    """Drop a connection that *exc* kept from being closed; that is no trouble, for it was done."""
    logger.debug("Database connection %r could not be closed: %s", connection.alias, exc)
    drop(connection)


def drop_all() -> None:
    """Close this thread's connections, in whatever state they are."""
    for connection in used_here():
        drop(connection)


def discard(connection: Connection) -> None:
    """Close a connection for good: a pool does not have it again."""
    if _is_pooled(connection):
        with suppress(Exception):
            # It throws away what comes back closed.
            connection.connection.close()
    drop(connection)


def discard_own(using: str) -> None:
    """Close this thread's connection for good, unless it is within somebody's transaction."""
    # As in a test: then it is not ours to close.
    if not connections[using].in_atomic_block:
        discard(connections[using])


def connect(using: str) -> None:
    """Have this thread's connection ready, and working, as before a first query.

    :raises django.db.Error: it cannot be; NotConnected: for a reason that is no database's.
    """
    connection: Connection = connections[using]
    with as_database_errors():
        connection.close_if_health_check_failed()
        connection.ensure_connection()


def alias_of(model: type[Model]) -> str:
    """The alias of the database that a model is written to.

    :raises NotConnected: a router fails, or names a database that is not there.
    """
    try:
        alias = router.db_for_write(model)
    except (SQSError, TimedOut):
        raise
    except Exception as exc:
        raise NotConnected(f"No router says where {model._meta.label} is: {repr_of(exc)}") from exc
    if alias not in connections.settings:
        raise NotConnected(
            f"A router says that {model._meta.label} is in {alias!r}, which is not in DATABASES"
        )
    return alias


def alias_for_logs(model: type[Model]) -> str | None:
    """As :func:`alias_of`; None: no router says, as where each asks the database that fails."""
    try:
        return alias_of(model)
    except Exception:  # noqa: BLE001 - it is what failed before that is told
        return None


def drop_broken(using: str, exc: BaseException) -> None:
    """Drop this thread's connection if *exc* says that it may be of no use any more."""
    # Also one with a prepared statement that fits its table no more, and what a driver calls odd.
    if is_of_database(exc):
        discard_own(using)


def give_back(using: str) -> None:
    """Let others have this thread's connection, if it is of a pool; any other is kept."""
    connection = connections[using]
    if _is_pooled(connection) and not connection.in_atomic_block:
        let_go(connection)


@contextmanager
def writing_apart(using: str) -> Iterator[None]:
    """Look after the connection of a thread that writes to a database now and then.

    One on which anything failed is dropped, and one of a pool, which others wait for, given back.
    """
    connection = connections[using]
    # A rollback has Django forget what it noted.
    failed = True
    try:
        yield
        failed = False
    finally:
        if failed or connection.errors_occurred:
            discard_own(using)
        else:
            give_back(using)


def is_read_only(connection: Connection) -> bool:
    """Whether it takes no writes, as a replica, or a server that was the first before a failover.

    :raises django.db.Error: it does not say.
    """
    question = _READ_ONLY.get(connection.vendor)
    if question is None or connection.connection is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone() is not None


def forget_inherited() -> None:
    """Give a process that was forked connections, and pools of them, of its own."""
    for connection in connections.all():
        pools = getattr(connection, "_connection_pools", {})
        _inherited.extend([connection.connection, *pools.values()])
        pools.clear()
        connection.connection = None
        drop(connection)


def close_before_fork() -> None:
    """Close this thread's connections, and the pools, which children would not use."""
    for connection in used_here():
        let_go(connection)
        if getattr(connection, "_connection_pools", {}).get(connection.alias) is not None:
            connection.close_pool()


@contextmanager
def now_and_then() -> Iterator[None]:
    """Around what a thread beside the receivers does with databases, every few seconds or minutes.

    Its connections are not kept: a process that is forked later must not share them.

    :raises NotConnected: as :func:`~.database_errors.as_database_errors`.
    """
    try:
        with as_database_errors():
            yield
    finally:
        connections.close_all()


def leaving_no_connection(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call *call* in a thread that nobody looks after; what it connects to is closed."""
    before = {each.alias for each in used_here() if each.connection is not None}
    cursors = cursors_here()
    with forks.asking():
        try:
            return call(*args, **kwargs)
        finally:
            # A pool hands the connection, and what is read on it, to others.
            close_cursors(cursors)
            for each in used_here():
                if each.alias not in before and not each.in_atomic_block:
                    let_go(each)


def used_here() -> list[Connection]:
    """This thread's connections that were ever asked for.

    They are those of ``connections.all(initialized_only=True)``, which looks for each of them
    twice, and this is asked several times for each message.
    """
    own: Any = connections._connections  # type: ignore[attr-defined]
    return [each for alias in connections if (each := getattr(own, alias, None)) is not None]


def _mine(theirs: Collection[str]) -> list[Connection]:
    return [each for each in used_here() if each.alias not in theirs]


def _is_of_no_use(connection: Connection) -> bool:
    """Whether one on which something failed answers, and would fail the next message, too.

    Nothing else would have it closed, and a new one made.
    """
    # A statement that the server has prepared fails for ever once the type of a column changed.
    if getattr(connection.connection, "prepare_threshold", None) is not None:
        return True
    try:
        with as_database_errors():
            return is_read_only(connection)
    except Error:
        return False


def _close_if_obsolete(connection: Connection, kept: float | None) -> None:
    """Close a connection that is unusable, or older than it may get.

    :param kept: ``SQS_CONN_MAX_AGE``, if it is known.
    """
    if connection.connection is None:
        return
    declared = connection.settings_dict
    if kept is None:
        kept = conf.conn_max_age
    if declared["CONN_MAX_AGE"] != 0 or _is_pooled(connection) or not kept:
        connection.close_if_unusable_or_obsolete()
        return
    # Django's default is made for requests: a worker would connect for each message.  With
    # it, the time at which a connection is to be closed is that at which it was opened.
    opened_at = connection.close_at
    connection.health_check_done = False
    if connection.errors_occurred or connection.autocommit != declared["AUTOCOMMIT"]:
        connection.close_at = None
        connection.close_if_unusable_or_obsolete()
        connection.close_at = opened_at
    if opened_at is not None and time.monotonic() >= opened_at + kept:
        connection.close()


def _is_pooled(connection: Connection) -> bool:
    # Back in the pool after each message, it serves the other threads.
    return bool((connection.settings_dict.get("OPTIONS") or {}).get("pool"))
