"""Unlocked: no log record is made by a thread that holds the lock of a table of held messages.

The handler of a project may block, and then nothing of the channel would be renewed or settled.
"""

import logging
import threading
import weakref

from django_sqs_kombu.transport.holding.table import HeldMessages


class Guard(logging.Handler):
    """Notes each record that is made under the lock of a table.

    :ivar found: these records' texts.
    """

    def __init__(self):
        super().__init__()
        self.found = []
        self._tables = weakref.WeakSet()
        self._adding = threading.Lock()

    def watch(self, table):
        """Look at one more table."""
        with self._adding:
            self._tables.add(table)

    def emit(self, record):
        with self._adding:
            tables = list(self._tables)
        if any(table.lock._is_owned() for table in tables):
            self.found.append(f"{record.name}: {record.getMessage()}")


class Watched:
    """In the block every new table is watched by a guard."""

    def __init__(self):
        self.guard = Guard()
        self._logger = logging.getLogger("django_sqs_kombu")

    def __enter__(self):
        self._init = init = HeldMessages.__init__
        watch = self.guard.watch

        def watched(table):
            init(table)
            watch(table)

        HeldMessages.__init__ = watched
        self._logger.addHandler(self.guard)
        return self.guard

    def __exit__(self, *exc_info):
        self._logger.removeHandler(self.guard)
        HeldMessages.__init__ = self._init
