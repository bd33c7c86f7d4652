import signal
import threading
import time

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.working.deadline import deadline


def in_thread(fn):
    raised = []

    def run():
        try:
            fn()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return raised


def loop(seconds):
    for _ in range(int(seconds / 0.01)):
        time.sleep(0.01)


def test_main_thread_is_interrupted_in_a_system_call():
    before = signal.getsignal(signal.SIGALRM)
    started = time.monotonic()

    with pytest.raises(TimedOut, match=r"after 0\.2 s"), deadline(0.2):
        time.sleep(10)

    assert time.monotonic() - started < 2
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_another_thread_is_interrupted_between_bytecodes():
    def run():
        with deadline(0.2):
            loop(10)

    started = time.monotonic()
    raised = in_thread(run)

    assert time.monotonic() - started < 3
    assert [type(exc) for exc in raised] == [TimedOut]
    assert raised[0].seconds == 0.2


@pytest.mark.parametrize("seconds", [None, 0, 5])
def test_a_block_in_time_is_left_alone(seconds):
    def run():
        with deadline(seconds):
            loop(0.05)

    run()
    assert in_thread(run) == []


def test_a_deadline_that_passes_at_the_end_never_hits_what_follows():
    def run():
        for _ in range(200):
            try:
                with deadline(0.001):
                    time.sleep(0.001)
            except TimedOut:
                pass
        loop(0.2)

    assert in_thread(run) == []
