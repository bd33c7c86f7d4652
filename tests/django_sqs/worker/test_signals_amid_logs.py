"""A stop whose signal comes while the main thread writes a record into a project's log."""

import pytest

CODE = """
import logging, logging.handlers, os, queue, signal
import django_sqs
from django.core.management import call_command


class Interrupted(queue.Queue):
    def _put(self, item):
        super()._put(item)
        # Its lock, which is not reentrant, is held.
        if item.getMessage() == "working":
            os.kill(os.getpid(), signal.SIGNAL)


logging.getLogger().addHandler(logging.handlers.QueueHandler(Interrupted()))


@django_sqs.receiver("logging")
def receive(message):
    logging.getLogger("shop").warning("working")


django_sqs.send("logging", body="x")
call_command("runreceiver", "logging", "--processes=1")
print("STOPPED")
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGUSR2"])
def test_it_stops_although_that_log_is_locked(signal, project):
    done = project.start("shell", "-c", CODE.replace("SIGNAL", signal))

    assert done.wait(20) == 0
    assert "STOPPED" in done.output
    assert f"Stopping on {signal}" in done.output
