"""SiteConsumer: a consumer whose process serves the site, and lives on without it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django_sqs_kombu import ReceiverConsumer

from ..connections import leaving_no_connection
from ..worker.companions import start_what_waits


class SiteConsumer(ReceiverConsumer):
    """A consumer that gives back what still runs after the grace period, and ends no process.

    :param given_back: called then.
    :param poll_period: seconds that one poll waits at most; None: as the settings say.
    """

    # They are sent beside it, see slots.py.
    ticks = False

    def __init__(
        self,
        *args: Any,
        given_back: Callable[[], None],
        poll_period: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._given_back = given_back
        if poll_period is not None:
            own = self.connection.transport_options
            seconds = min(poll_period, own.get("wait_time_seconds", poll_period))
            self.connection.transport_options = {**own, "wait_time_seconds": seconds}

    def on_turn(self) -> None:
        """Start what runs beside this, where that waits for a thread."""
        start_what_waits()

    def on_grace_expired(self) -> None:
        """Give back what still runs: the process ends soon, and its threads with it."""
        super().on_grace_expired()
        try:
            self.release_running()
        finally:
            self._given_back()

    def _start(self, delivery: Any, work: Callable[..., None], *args: Any) -> None:
        # A site may have few connections, and its receivers are idle for most of the time.
        super()._start(delivery, partial(leaving_no_connection, work), *args)
