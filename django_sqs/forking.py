"""Forking: a process that starts others does so while no thread asks a database, or writes a log.

A child that is forked amid a transaction of SQLite's inherits the notes of its locks, and finds
the database locked for ever: SQLite forbids to carry an open database across a fork.  One that
is forked while a thread writes to a log's file inherits that file's lock, which nobody lets go of;
``logging`` renews the locks of its handlers in a child, but not those of their files.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django_sqs_kombu.posix import in_forked_children

#: Seconds that a fork waits for the threads; one of them may hang with a server, to which a
#: fork does no harm.
PATIENCE = 10.0
#: Seconds that a fork waits in all for what is being logged: a disk may hang.
LOGS_PATIENCE = 2.0


class Forking:
    """What asks a database, and what forks, one after the other; safe to use from any thread."""

    def __init__(self) -> None:
        self._setup()
        in_forked_children(self._setup)

    def _setup(self) -> None:
        self._changed = threading.Condition()
        self._asking: Counter[int] = Counter()
        self._forking = False

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Nothing is forked in the block, which closes the connections that it opened."""
        mine = threading.get_ident()
        with self._changed:
            # One that asks already is waited for.
            self._changed.wait_for(lambda: not self._forking or mine in self._asking)
            self._asking[mine] += 1
        try:
            yield
        finally:
            with self._changed:
                self._asking[mine] -= 1
                # Without those that are 0.
                self._asking = +self._asking
                self._changed.notify_all()

    @contextmanager
    def forking(self, patience: float = PATIENCE) -> Iterator[None]:
        """Nobody asks a database in the block, unless somebody does for *patience* seconds."""
        with self._changed:
            self._forking = True
            self._changed.wait_for(lambda: not self._asking, patience)
        try:
            with logs_at_rest():
                yield
        finally:
            with self._changed:
                self._forking = False
                self._changed.notify_all()


@contextmanager
def logs_at_rest(patience: float = LOGS_PATIENCE) -> Iterator[None]:
    """No other thread writes a log in the block, unless one does for *patience* seconds.

    This thread may.  In a child that is forked in the block the handlers' locks are free again, so
    that it must not leave the block.
    """
    until = time.monotonic() + patience
    with ExitStack() as stack:
        # Those that were made first, as what others hand their records to, come last.
        for reference in reversed(list(logging._handlerList)):  # type: ignore[attr-defined]
            lock: Any = getattr(reference(), "lock", None)
            # One that a child cannot renew is left alone: it may be shared between processes.
            if not hasattr(lock, "_at_fork_reinit"):
                continue
            _renewed.append(lock)
            stack.callback(_renewed.remove, lock)
            # This thread could not log while it held one that is not reentrant.
            if isinstance(lock, _NOT_REENTRANT):
                continue
            if lock.acquire(timeout=max(0.0, until - time.monotonic())):
                stack.callback(lock.release)
        yield


#: Locks that a child renews.  ``logging`` renews those that its own ``createLock`` made, not those
#: of handlers that override it.
_renewed: list[Any] = []
_NOT_REENTRANT = type(threading.Lock())


def _renew() -> None:
    for lock in _renewed:
        lock._at_fork_reinit()
    _renewed.clear()


in_forked_children(_renew)

#: Of this process.
forks = Forking()
