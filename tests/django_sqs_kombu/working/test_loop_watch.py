"""What blocks an event loop is interrupted where it can hear of it."""

import logging
import threading
import time

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.working.deadline import BeingLogged

from .slow_handler import SlowHandler


@pytest.fixture
def handler():
    """A handler of the logger ``slowly``."""
    leave = threading.Event()

    def take_time():
        while not leave.is_set():
            time.sleep(0.01)

    logger, handler = logging.getLogger("slowly"), SlowHandler(take_time)
    handler.leave = leave
    logger.propagate = False
    logger.addHandler(handler)
    yield handler
    handler.leave.set()
    logger.handlers.clear()


def test_a_record_that_a_coroutine_logs_swallows_no_timeout(
    receivers, eventually, prefix, start, counts, handler, monkeypatch
):
    raised, is_logged = [], BeingLogged.is_logged

    def look(self, frame):
        if held := is_logged(self, frame):
            # Only now does the handler go on.
            handler.leave.set()
        return held

    monkeypatch.setattr(BeingLogged, "is_logged", look)

    @receivers.receiver("logs", timeout=0.5)
    async def log(message):
        try:
            logging.getLogger("slowly").error("Done")
            for _ in range(3_000):
                time.sleep(0.01)
        except TimedOut as exc:
            raised.append(exc)
            raise

    receivers.send("logs", body="x")
    start(receivers, coroutines=4)
    eventually(lambda: raised)
    eventually(lambda: counts(f"{prefix}__logs") == (0, 0, 0))

    assert (handler.written, handler.failed) == (1, 0)
