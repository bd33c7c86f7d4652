"""The relay that runs beside a worker."""

from __future__ import annotations

from ..worker.companions import Beside, InThread
from .relay import Relay


def relay_beside(beside: Beside) -> InThread | None:
    """A relay in a thread, in the first of the processes of a runreceiver."""
    # One is enough; the relay of another would only ask the database, too.
    if beside.number != 0:
        return None
    relay = Relay()
    return InThread(relay.run, relay.stop, "sqs-relay")
