"""WorkerConsumer: the consumer of a worker's process, which ends with it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.logs import get_logger, without_waiting
from django_sqs_kombu.new_threads import start_thread

from . import exit_codes
from .companions import start_what_waits
from .ending import end_at_the_latest, end_process

logger = get_logger(__name__)

#: Seconds that receivers may take where the process is replaced: as long as they need.
NO_HURRY = 1e8
#: Seconds before the end of the grace period at which polls are broken off.
BREAK_OFF_MARGIN = 2.0


class WorkerConsumer(ReceiverConsumer):
    """A consumer whose process exits when the grace period has passed.

    :param supervisor: the process id of the supervisor that forked this process, if any; it
        stops when that is gone.
    """

    # One process of a runreceiver is enough; see slots.py.
    ticks = False

    def __init__(self, *args: Any, supervisor: int | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._supervisor = supervisor
        self._over = threading.Event()
        #: Whether receivers still ran at the end of the grace period.
        self.was_cut_off = False
        #: The grace period at a stop, while this process is replaced and has all the time.
        self._grace_at_stop: float | None = None

    def run(self, _tokens: int = 1, **kwargs: Any) -> None:
        """Receive until stopped, or until the limits are reached."""
        try:
            super().run(_tokens, **kwargs)
        finally:
            self._over.set()

    @property
    def retired(self) -> bool:
        """Whether it was replaced, and has been told of no stop since."""
        return self._grace_at_stop is not None

    def retire(self) -> None:
        """Stop receiving, and let what runs take the time that it needs."""
        told = self.should_stop
        self._grace_at_stop, self.grace_period = self.grace_period, NO_HURRY
        # A stop that came in between has found nothing to hurry.
        told = told or self.should_stop
        self.stop()
        if told:
            self.stop_in_time()

    def stop_in_time(self) -> None:
        """Of what was retired: end within the grace period; safe in a signal handler."""
        if self._grace_at_stop is not None:
            self.grace_period, self._grace_at_stop = self._grace_at_stop, None
            # Without a thread the supervisor ends it, a little later.
            with suppress(RuntimeError):
                start_thread(
                    threading.Thread(target=self._end_in_time, name="sqs-stop", daemon=True)
                )

    def _end_in_time(self) -> None:
        margin = min(BREAK_OFF_MARGIN, self.grace_period / 2)
        if not self._over.wait(self.grace_period - margin):
            self.stop(break_off=True)
            if not self._over.wait(margin):
                self.on_grace_expired()

    def on_turn(self) -> None:
        """Stop without a supervisor; start what runs beside this, where that waits for a thread."""
        start_what_waits()
        orphaned = self._supervisor is not None and os.getppid() != self._supervisor
        if orphaned and not self.should_stop:
            logger.error("The supervisor is gone: stopping")
            self.stop()

    def on_grace_expired(self) -> None:
        """Give back what still runs, and exit without waiting for it."""
        self.was_cut_off = True
        end_at_the_latest(exit_codes.CUT_OFF)
        with without_waiting():
            super().on_grace_expired()
        self.cut_off()

    def cut_off(self) -> None:
        """Exit now; what was running becomes visible to others at once."""
        end_at_the_latest(exit_codes.CUT_OFF)
        with without_waiting():
            try:
                self.release_running()
            finally:
                end_process(exit_codes.CUT_OFF)
