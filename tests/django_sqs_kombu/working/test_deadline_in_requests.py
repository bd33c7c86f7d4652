"""A receiver's timeout that strikes inside send() leaves no lock of the connections taken."""

import functools
import queue
import sys
import threading
import time

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.working.deadline import deadline

ENTERING = threading.Condition.__enter__.__code__


def hold_up_in_the_pool(seconds):
    """Hold this thread up, once, where urllib3 has just taken the lock of its pool."""

    def profile(frame, event, arg):
        taken = event == "c_return" and frame.f_code is ENTERING
        if taken and frame.f_back.f_code.co_filename == queue.__file__:
            sys.setprofile(None)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(0.01)

    sys.setprofile(profile)


def send_within(receivers, seconds):
    try:
        with deadline(seconds):
            hold_up_in_the_pool(2 * seconds)
            receivers.send("orders", body="struck")
            while True:
                time.sleep(0.01)
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("where", ["main thread", "another"])
def test_later_sends_go_on(receivers, counts, where):
    queue = receivers.register("orders", None)
    receivers.send("orders", body="first")
    raised = []

    def struck():
        try:
            send_within(receivers, 0.3)
        except TimedOut as exc:
            raised.append(exc)

    if where == "another":
        thread = threading.Thread(target=struck, daemon=True)
        thread.start()
        thread.join(30)
    else:
        struck()

    send = functools.partial(receivers.send, "orders", body="later")
    later = threading.Thread(target=send, daemon=True)
    later.start()
    later.join(30)
    assert not later.is_alive()
    assert raised
    assert counts(queue.full_name())[0] == 3
