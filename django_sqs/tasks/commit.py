"""After the commit: what waits until every transaction around it is committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from django.db import connections, transaction

from ..commits import in_transaction


def open_transactions(main: str) -> list[str]:
    """The databases whose transactions are open in this thread, *main*'s first.

    Around a test, TestCase has one in each of its databases that is no transaction of the
    project's; only *main*'s counts, so that captureOnCommitCallbacks finds what waits there.
    """
    found = [main] if connections[main].in_atomic_block else []
    for connection in connections.all(initialized_only=True):
        if connection.alias != main and in_transaction(connection.alias):
            found.append(connection.alias)
    return found


def after_commit(databases: Sequence[str], action: Callable[[], None]) -> None:
    """Call *action* when the transactions of *databases* are committed.

    :param action: what it raises keeps all else that waits for the commit from being done.
    """
    if not databases:
        action()
        return
    first, *rest = databases
    transaction.on_commit(partial(after_commit, rest, action), using=first)
