"""The relay that runs beside a worker."""

from __future__ import annotations

from ..worker.companions import Beside, InThread
from .relay import Relay


def relay_beside(beside: Beside) -> InThread:
    """A relay in a thread, in one of the processes of a runreceiver.

    One is enough; the relay of another would only ask the database, too.  When the process ends
    before the others, as with ``--message-limit``, another relays.
    """
    relay = Relay()
    return InThread(relay.run, relay.stop, "sqs-relay", beside.turn)
