"""Forking: a process that starts others does so while none of its threads asks a database.

A child that is forked amid a transaction of SQLite's inherits the notes of its locks, and finds
the database locked for ever: SQLite forbids to carry an open database across a fork.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django_sqs_kombu.posix import in_forked_children

#: Seconds that a fork waits for the threads; one of them may hang with a server, to which a
#: fork does no harm.
PATIENCE = 10.0


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
            yield
        finally:
            with self._changed:
                self._forking = False
                self._changed.notify_all()


#: Of this process.
forks = Forking()
