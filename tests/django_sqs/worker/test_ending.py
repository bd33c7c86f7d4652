"""A worker that is done ends, whatever its receivers have left running."""

import signal
import time

import pytest

import django_sqs

pytestmark = pytest.mark.usefixtures("site")


def left(project, eventually, what, *options, **env):
    """A worker whose receiver has left something running."""
    django_sqs.send("left-running", body=what)
    process = project.start("runreceiver", "left-running", *options, **env)
    eventually(lambda: project.runs("left-running"))
    return process


@pytest.mark.parametrize("what", ["thread", "job"])
def test_what_a_receiver_left_running_keeps_no_worker_beyond_its_grace_period(
    project, eventually, what
):
    process = left(project, eventually, what, TEST_GRACE_PERIOD="2")
    told = time.monotonic()

    process.signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert time.monotonic() - told < 8
    assert "left something running: threads left-running" in process.output


@pytest.mark.slow
def test_nor_after_its_last_message(project, eventually):
    process = left(project, eventually, "thread", "--message-limit=1", TEST_GRACE_PERIOD="2")

    assert process.wait(20) == 0


def test_a_thread_that_ends_within_the_grace_period_is_waited_for(project, eventually):
    process = left(project, eventually, "thread", TEST_GRACE_PERIOD="10", TEST_LEFT_SECONDS="4")
    started = time.monotonic()

    process.signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert time.monotonic() - started > 2
    assert "left something running" not in process.output
