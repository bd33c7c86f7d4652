"""A receiver's timeout that strikes inside send() leaves no lock of the connections taken."""

import functools
import queue
import sys
import threading
import time

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.working.deadline import deadline


@pytest.fixture(params=["auto", "botocore"])
def transport_options(request, transport_options):
    return {**transport_options, "wire": request.param}


@pytest.fixture
def hold_up(transport_options, monkeypatch, receivers):
    """Hold this thread up, once, within a request.

    Over botocore that is where urllib3 has just taken the lock of its pool.
    """
    left = {}

    def wait():
        until = time.monotonic() + left.pop(threading.get_ident(), 0)
        while time.monotonic() < until:
            time.sleep(0.01)

    def enter(condition):
        taken = condition._lock.__enter__()
        if sys._getframe(1).f_code.co_filename == queue.__file__:
            wait()
        return taken

    receivers.register("orders", None)
    receivers.send("orders", body="first")
    if transport_options["wire"] == "botocore":
        monkeypatch.setattr(threading.Condition, "__enter__", enter)
    else:
        events = receivers.channel().sqs("orders").meta.events
        events.register("before-send.sqs.SendMessage", lambda **kwargs: wait())
    return lambda seconds: left.update({threading.get_ident(): seconds})


@pytest.mark.parametrize("then", ["goes on", "returns"])
@pytest.mark.parametrize("where", ["main thread", "another"])
def test_later_sends_go_on(receivers, counts, hold_up, where, then):
    raised = []

    def struck():
        hold_up(3)
        try:
            with deadline(0.3):
                receivers.send("orders", body="struck")
                while then == "goes on":
                    time.sleep(0.01)
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
    assert counts(receivers.get("orders").full_name())[0] == 3
