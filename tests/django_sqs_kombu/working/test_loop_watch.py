"""What blocks an event loop is interrupted where it can hear of it."""

import logging
import threading
import time

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.working.deadline import BeingLogged


class SlowHandler(logging.Handler):
    """One that takes its time and, as those of ``logging`` do, keeps errors to itself."""

    def __init__(self):
        super().__init__()
        self.leave = threading.Event()
        self.written = self.failed = 0

    def emit(self, record):
        try:
            while not self.leave.is_set():
                time.sleep(0.01)
            self.written += 1
        except Exception:
            self.handleError(record)

    def handleError(self, record):  # noqa: N802 - logging's name
        self.failed += 1


@pytest.fixture
def handler():
    """A handler of the logger ``slowly``."""
    logger, handler = logging.getLogger("slowly"), SlowHandler()
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
