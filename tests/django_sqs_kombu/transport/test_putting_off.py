"""What cannot be read now, and is sent again beside an event loop, comes once if it is closed."""

import contextlib
import threading
import time

import kombu
import pytest
from kombu.asynchronous import Hub

from django_sqs_kombu.transport import putting_off

LARGE = "x" * (1024 * 1024 + 1)


@pytest.fixture
def put_off(large_with, server, prefix, monkeypatch):
    """Receive a message whose payload cannot be read on an event loop, until told otherwise."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    large = large_with(backoff_base=0)
    registered = large.register("orders", dead_letter_queue="dead", max_receives=5)
    registered.send(body=LARGE)

    def put_off(until, closing):
        hub, connection = Hub(), large.new_connection()
        with contextlib.closing(hub):
            connection.transport.register_with_event_loop(connection, hub)
            queue = kombu.Queue(registered.full_name())
            with connection.Consumer([queue], callbacks=[pytest.fail]):
                loop = hub.create_loop()
                deadline = time.monotonic() + 20
                while not until() and time.monotonic() < deadline:
                    next(loop)
            closing()
            connection.close()
        return registered.full_name()

    server.broken_bucket = prefix
    yield put_off
    server.broken_bucket = None


def test_one_that_a_close_has_given_back_is_not_sent_again(put_off, counts, monkeypatch):
    jobs = []
    monkeypatch.setattr(putting_off, "aside", jobs.append)

    name = put_off(lambda: jobs, lambda: None)
    [job] = jobs
    job()
    time.sleep(0.5)

    assert counts(name) == (1, 0, 0)


def test_a_close_waits_for_one_that_is_being_sent_again(put_off, counts, monkeypatch):
    begun, goes_on, sent = threading.Event(), threading.Event(), threading.Event()
    send_again = putting_off.send_again

    def slow(*args, **kwargs):
        begun.set()
        assert goes_on.wait(10)
        send_again(*args, **kwargs)
        sent.set()

    monkeypatch.setattr(putting_off, "send_again", slow)

    name = put_off(begun.is_set, lambda: threading.Timer(0.5, goes_on.set).start())
    assert sent.wait(10)

    assert counts(name) == (1, 0, 0)
