"""Idle queues: polls with rests between them, and the wake-up that ends a rest."""

import threading
import time

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.transport.receiving import poller as polling
from django_sqs_kombu.transport.receiving.rest import Rest

#: Waits for leases and polls to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow


@pytest.fixture
def rest():
    return Rest(300, 20)


def test_rests_grow_to_the_longest_period(rest):
    noted = []
    for _ in range(7):
        rest.polled(0, 20, 20)
        noted.append(rest.seconds())

    assert noted == [20, 40, 80, 160, 280, 280, 280]


@pytest.mark.parametrize(("period", "later"), [(0, 180), (60, 60), (300, 12), (3600, 1)])
def test_requests_an_hour(period, later):
    rest, now, polls = Rest(period, 20), 0.0, []
    while now < 5 * 3600:
        now += rest.seconds()
        polls.append(now)
        now += 20
        rest.polled(0, 20, 20)

    hours = [sum(hour * 3600 <= at < (hour + 1) * 3600 for at in polls) for hour in range(5)]
    assert all(abs(count - later) <= 1 for count in hours[2:])
    # While the rests grow it is a few more.
    assert hours[0] <= later + 8


def test_a_message_ends_them(rest):
    noted = []
    for received in (0, 0, 1, 0):
        rest.polled(received, 20, 20)
        noted.append(rest.seconds())

    assert noted == [20, 40, 0, 20]


def test_a_poll_that_does_not_wait_is_followed_by_the_whole_interval():
    rest, noted = Rest(0, 20, longest=1.0, interval=2.0), []
    for _ in range(3):
        rest.polled(0, 0, 0)
        noted.append(rest.seconds())

    assert noted == [2.0, 2.0, 2.0]


def test_short_polls_come_first(rest):
    rest.polled(0, 10, 10)

    assert rest.seconds() == 0


@pytest.mark.parametrize("period", [0, 10, 20])
def test_no_rests_by_default(period):
    rest = Rest(period, 20)
    rest.polled(0, 20, 20)

    assert rest.seconds() == 0


def test_waking_ends_a_rest_and_one_that_was_about_to_come(rest):
    rest.polling()
    rest.wake()
    rest.polled(0, 20, 20)

    assert rest.seconds() == 0


def test_a_poll_finds_what_it_was_woken_for(rest):
    rest.wake()
    rest.polling()
    rest.polled(0, 20, 20)

    assert rest.seconds() == 20


@pytest.fixture
def resting(receivers, transport_options, monkeypatch):
    """A registry whose polls take a second at most, and rests up to a minute."""
    monkeypatch.setattr(polling, "MAX_WAIT_TIME", 1)
    receivers._options["poll_max_idle"] = 60
    return receivers


@pytest.fixture
def consumer(resting):
    received = []
    resting.register("rare", lambda message: received.append((time.monotonic(), message)))
    consumer = ReceiverConsumer(resting)
    consumer.received = received
    thread = threading.Thread(target=consumer.run)
    thread.start()
    yield consumer
    consumer.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_an_idle_queue_costs_fewer_requests_and_is_woken(
    consumer, resting, server, prefix, eventually
):
    name = f"{prefix}__rare"
    # Polls end after 1, 1, 1 and 1 s, rests take 1, 2, 4 and 8 s.
    eventually(lambda: server.count("ReceiveMessage", name) >= 4, timeout=30)
    time.sleep(1.5)
    asked = server.count("ReceiveMessage", name)
    time.sleep(3)
    assert server.count("ReceiveMessage", name) == asked

    resting.send("rare", body="x")
    consumer.wake("rare")
    sent = time.monotonic()
    eventually(lambda: consumer.received)

    assert consumer.received[0][0] - sent < 1


def test_waking_another_queue_wakes_nothing(consumer, resting, server, prefix, eventually):
    name = f"{prefix}__rare"
    # Then comes a rest of 4 s.
    eventually(lambda: server.count("ReceiveMessage", name) >= 3, timeout=30)
    time.sleep(1.5)
    asked = server.count("ReceiveMessage", name)

    consumer.wake("other")
    time.sleep(1)

    assert server.count("ReceiveMessage", name) == asked


def test_a_stop_ends_a_rest(consumer, server, prefix, eventually):
    eventually(lambda: server.count("ReceiveMessage", f"{prefix}__rare") >= 3, timeout=30)
    started = time.monotonic()

    consumer.stop()
    consumer._ended.wait(10)

    assert time.monotonic() - started < 1.5
