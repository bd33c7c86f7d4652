"""Beats: whether what a listener listens to is still there.

Who only listens is told nothing when a host dies, or a firewall forgets a connection that is idle.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any

#: Seconds between two looks whether the other side is there.  The load balancers and firewalls of
#: clouds forget what was silent for some minutes.
BEAT = 30.0
#: Seconds that it may take to answer.
PATIENCE = 10.0


def answered(cursor: Any, statement: str) -> list[str]:
    """Have a connection of psycopg or psycopg2 answer; return what it is told meanwhile.

    :raises Exception: it is broken, or was broken off since no answer came in time.
    """
    connection = cursor.connection
    notified: list[str] = []
    with _broken_off_after(connection.fileno()), _noted(connection, notified):
        cursor.execute(statement)
    return notified


@contextmanager
def _broken_off_after(fileno: int) -> Iterator[None]:
    """Break off a connection should the block last for too long."""
    # A duplicate: the driver may have closed its own by then, and its number be another's.
    with socket.fromfd(fileno, socket.AF_INET, socket.SOCK_STREAM) as end:
        timer = Timer(PATIENCE, _break_off, [end])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _break_off(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def _noted(connection: Any, notified: list[str]) -> Iterator[None]:
    """Note what comes within the block; psycopg2 keeps it by itself."""
    if not hasattr(connection, "add_notify_handler"):
        yield
        return

    def note(notice: Any) -> None:
        notified.append(notice.payload)

    connection.add_notify_handler(note)
    try:
        yield
    finally:
        connection.remove_notify_handler(note)
