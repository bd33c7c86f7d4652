"""Commits: sending when a database transaction is committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.registration import BatchSender, RegisteredQueue
from django_sqs_kombu.transport import ends_before_deadlines

from .conf import conf

logger = get_logger(__name__)

#: The databases of which :func:`warn_of_another` has warned in this process.
_warned: set[tuple[str, str]] = set()


@dataclass(eq=False, slots=True)
class _Waiting:
    """What Django calls after a commit; tests learn from it whether it was called.

    A receiver's time limit waits for its end, or would lose what it sends.

    :param receivers: by which it sends.
    """

    receivers: BatchSender
    action: Callable[[], Any]
    done: bool = False

    def __call__(self) -> None:
        if self.receivers.outlet is None:
            _to_their_end([self])
        else:
            # A test's receivers run within it, with time limits of their own.
            _call([self])

    def wait(self, using: str | None) -> None:
        """Have it called when the transaction of that database is committed."""
        _have_all_called(transaction.get_connection(using))
        transaction.on_commit(self, using)

    def waits(self, using: str) -> bool:
        """Whether that transaction is still open, and no savepoint with it was rolled back."""
        return any(entry[1] is self for entry in connections[using].run_on_commit)


def _have_all_called(connection: Any) -> None:
    """Have all that waits for a commit on *connection* called after it.

    Django drops every callback behind one that raises, unless that was registered as robust:
    one of the site's own would lose the messages of a transaction that is committed.
    """
    name = "run_and_clear_commit_hooks"
    if name in vars(connection):
        return
    run = getattr(connection, name)

    def run_all() -> None:
        entries = connection.run_on_commit
        waiting = [entry[1] for entry in entries if isinstance(entry[1], _Waiting)]
        try:
            run()
        except Exception:
            if connection.run_on_commit is not entries:
                _to_their_end(waiting)
            raise

    setattr(connection, name, run_all)


def _call(waiting: list[_Waiting]) -> None:
    for each in waiting:
        if not each.done:
            each.done = True
            each.action()


_to_their_end = ends_before_deadlines(_call)


def sends_wait() -> bool:
    """Whether sends wait for the commit of a transaction that this thread has open."""
    try:
        used = connections.all(initialized_only=True)
    except ImproperlyConfigured:
        # There are no settings, or none of databases, so nothing was ever connected to.
        return False
    callbacks = [entry[1] for each in used for entry in each.run_on_commit]
    return any(isinstance(each, _Waiting) and not each.done for each in callbacks)


def asked_for(on_commit: bool | None) -> bool:
    """Whether a send is to wait, by what it says itself or by the setting."""
    return conf.send_on_commit if on_commit is None else on_commit


def in_transaction(using: str | None) -> bool:
    """Whether a transaction of the project's own is open.

    That of a TestCase is never committed; what has no other does not wait for it.
    """
    blocks = transaction.get_connection(using).atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def in_any_transaction() -> bool:
    """Whether one is open on any database."""
    return any(in_transaction(each.alias) for each in connections.all(initialized_only=True))


def after_commit(queue: RegisteredQueue, send: Callable[[], Any], using: str | None) -> None:
    """Call *send* when the transaction is committed; at once outside one.

    What it raises then is logged, so that the transaction's other messages are sent.

    :param queue: to which it sends.
    """
    if transaction.get_connection(using).in_atomic_block:
        _Waiting(queue.receivers, partial(_send, queue.name, send)).wait(using)
    else:
        warn_of_another(queue.name, "on_commit=True", using)
        send()


def when_all_committed(
    receivers: BatchSender,
    databases: Sequence[str],
    action: Callable[[], None],
    otherwise: Callable[[], None] = lambda: None,
) -> None:
    """Call *action* when the transactions that are open on *databases* are all committed.

    :param receivers: by which it sends.
    :param action: what it raises keeps all else that waits for the commit from being done.
    :param otherwise: called at the commit of one where others are rolled back already.
    """
    left: dict[str, _Waiting] = {}

    def committed(alias: str) -> None:
        del left[alias]
        if not left:
            action()
        elif not any(each.waits(other) for other, each in left.items()):
            otherwise()

    for alias in databases:
        if connections[alias].in_atomic_block:
            left[alias] = _Waiting(receivers, partial(committed, alias))
            left[alias].wait(alias)
    if not left:
        action()


def warn_of_another(queue: str, option: str, using: str | None) -> None:
    """Warn, once, of a send that goes with no transaction while one of another database is open.

    It is sent at once, and stays so whatever becomes of that transaction, which may be the one
    that was meant.

    :param option: what the send was told.
    :param using: the database whose transaction it would go with.
    """
    alias = using or DEFAULT_DB_ALIAS
    if (option, alias) in _warned or in_transaction(alias):
        return
    others = [each.alias for each in connections.all(initialized_only=True)]
    if found := [each for each in others if each != alias and in_transaction(each)]:
        _warned.add((option, alias))
        logger.warning(
            "A message to queue %s is sent with %s in a transaction of database %r, but waits "
            "for transactions of database %r, where none is open: a rollback does not undo it. "
            "Pass using=%r to wait for the open one. This is logged once.",
            queue,
            option,
            found[0],
            alias,
            found[0],
        )


def _send(queue: str, send: Callable[[], Any]) -> None:
    try:
        send()
    except Exception:
        logger.exception(
            "Some or all messages for queue %s were not sent after the commit. outbox=True would "
            "keep them until SQS accepts them",
            queue,
        )
