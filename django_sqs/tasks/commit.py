"""The transactions whose commit the enqueuing of a task waits for."""

from __future__ import annotations

from django.db import connections

from ..commits import in_transaction
from ..connections import used_here


def open_transactions(main: str) -> list[str]:
    """The databases whose transactions are open in this thread, *main*'s first.

    Around a test, TestCase has one in each of its databases that is no transaction of the
    project's; only *main*'s counts, so that captureOnCommitCallbacks finds what waits there.
    """
    found = [main] if connections[main].in_atomic_block else []
    for connection in used_here():
        if connection.alias != main and in_transaction(connection.alias):
            found.append(connection.alias)
    return found
