"""DjangoBatch: a batch that knows of transactions, and sends at the commit what waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections

from django_sqs_kombu import Batch
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.registration import BatchSender, open_batch

from .commits import when_all_committed
from .connections import leaving_no_connection

logger = get_logger(__name__)

T = TypeVar("T")


class AtCommit:
    """What was sent in a batch and waits for the commit of the same transactions.

    Whether it is sent, those alone decide: each message waits by itself, so that one of a
    savepoint that is rolled back is gone.  At the commit it joins the batch, where that is
    still open, or else the others, which are sent together when the last has come.

    :param batch: the outermost one.
    :param databases: the aliases of the databases.
    """

    def __init__(self, batch: DjangoBatch, databases: Sequence[str]) -> None:
        self._batch = batch
        self._databases = databases
        self._others = Batch(batch.receivers)
        #: The savepoints that all of it is in, on each database.
        self._savepoints: dict[str, set[str | None]] = {}

    def joining(self, send: Callable[[], Any]) -> Callable[[], None]:
        """What calls *send* at the commit, so that what it sends joins the others."""
        for alias in self._databases:
            ids: set[str | None] = set(connections[alias].savepoint_ids)
            self._savepoints[alias] = self._savepoints.get(alias, ids) & ids
        return partial(self._join, send)

    def _join(self, send: Callable[[], Any]) -> None:
        outer = self._batch if self._batch.is_open else self._others
        with Batch(self._batch.receivers, outer=outer, decided=True):
            send()

    def batch_ended(self) -> None:
        """Have the others sent at the commit, where it is still to come."""
        waited_for = [each for each in self._databases if connections[each].in_atomic_block]
        # In a savepoint that the others are not in, this could be gone without them.
        if waited_for and all(
            set(connections[alias].savepoint_ids) <= self._savepoints.get(alias, set())
            for alias in waited_for
        ):
            when_all_committed(self._batch.receivers, waited_for, self._send_others)
        else:
            # What comes later sends itself.
            self._others.send_kept()

    def batch_interrupted(self) -> None:
        """Gather no others: what comes at the commit sends itself."""
        self._others.send_kept()

    def _send_others(self) -> None:
        try:
            self._others.send_kept()
        except Exception:
            # A test's, which receives in place of sending, is to hear of it.
            if self._batch.receivers.outlet is not None:
                raise
            logger.exception(
                "Some or all messages of a batch() were not sent after the commit. outbox=True "
                "would keep them until SQS accepts them"
            )


class DjangoBatch(Batch):
    """A block, ``with batch():`` or ``async with batch():``, whose sends are made at its end.

    Works like django_sqs_kombu's class.  Messages that wait for a commit (on_commit, tasks, rows
    of the database) are sent if that is committed, even if the block fails: together with the
    block's, or at the commit if that comes later.  ``outbox=True`` writes its rows at once; the
    relay always sends ten to a request.
    """

    def __init__(self, receivers: BatchSender, **options: Any) -> None:
        super().__init__(receivers, **options)
        self._at_commit: dict[tuple[str, ...], AtCommit] = {}

    def at_commit(self, databases: Sequence[str]) -> AtCommit:
        """What waits for the commit of these databases."""
        key = tuple(databases)
        if key not in self._at_commit:
            self._at_commit[key] = AtCommit(self, key)
        return self._at_commit[key]

    def ending(self) -> None:
        """Have what waits for a commit sent then."""
        rest = list(self._at_commit.values())
        try:
            while rest:
                rest[0].batch_ended()
                rest.pop(0)
        except BaseException:
            for each in rest:
                each.batch_interrupted()
            raise

    async def in_thread(self, call: Callable[..., T], *args: Any) -> T:
        """Call what asks SQS, from an event loop; no connection is left in its thread."""
        thread = sync_to_async(partial(leaving_no_connection, call), thread_sensitive=False)
        return await thread(*args)

    def new_thread(self, call: Callable[[], None]) -> threading.Thread:
        """A thread for *call*; no connection is left in it."""
        return super().new_thread(partial(leaving_no_connection, call))

    async def beside(self, call: Callable[..., T], *args: Any) -> T:
        """Call what may ask the database, in the thread that it belongs to."""
        return await sync_to_async(call)(*args)


def joining_batch(
    receivers: object, send: Callable[[], Any], databases: Sequence[str | None]
) -> Callable[[], Any]:
    """What calls *send* at a commit, so that what it sends joins a batch that is open now.

    :param databases: those whose commit is waited for; None: the default one.
    """
    batch = open_batch(receivers)
    root = None if batch is None else batch.root
    aliases = [each or DEFAULT_DB_ALIAS for each in databases]
    if not isinstance(root, DjangoBatch) or not connections[aliases[0]].in_atomic_block:
        return send
    return root.at_commit(aliases).joining(send)
