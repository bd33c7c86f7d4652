"""A worker that looks alive receives: nothing ends its pollers, nothing makes them spin."""

import threading
import time

import kombu
import pytest

from django_sqs_kombu import ConfigurationError, Middleware
from django_sqs_kombu.transport.receiving import outage
from django_sqs_kombu.transport.receiving.message_limit import LocalLimit
from django_sqs_kombu.transport.sqs.requests import Requests

from ...working.consuming import consume_until


class Raising(Middleware):
    """One with a fault of its own."""

    def polled(self, registered, received):
        raise ValueError("its own fault")


def test_a_middleware_that_raises_ends_no_poller(receivers, tally, start, eventually):
    receivers.register("orders", tally)
    receivers.middleware.append(Raising())
    start(receivers)

    for body in "abc":
        receivers.send("orders", body=body)
        eventually(lambda body=body: body in tally.done)


def test_a_visibility_timeout_that_is_no_int_is_refused_or_works(
    receivers, tally, start, eventually
):
    try:
        receivers.register("orders", tally, visibility_timeout=60.0)
    except ConfigurationError:
        return
    receivers.send("orders", body="x")
    start(receivers)

    eventually(lambda: tally.done)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 4])
def test_a_process_without_threads_to_spare_for_a_while_receives_afterwards(
    threads, receivers, tally, start, eventually, monkeypatch, counts
):
    real, none_left = threading.Thread.start, threading.Event()
    tester = threading.current_thread()

    def start_thread(thread):
        ours = thread.name.startswith("sqs")
        if none_left.is_set() and ours and threading.current_thread() is not tester:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start_thread)
    queue = receivers.register("orders", tally, visibility_timeout=4)
    receivers.send("orders", body="before")
    start(receivers, threads=threads)
    eventually(lambda: tally.done)

    none_left.set()
    bodies = {str(number) for number in range(40)}
    receivers.send_many("orders", sorted(bodies))
    time.sleep(2)
    none_left.clear()
    receivers.send("orders", body="after")
    eventually(lambda: tally.done == bodies | {"before", "after"}, timeout=30)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=20)


def test_one_of_two_consumers_of_a_channel_that_is_cancelled_leaves_the_other(receivers, sqs):
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    received = []

    def receive(message):
        received.append(message.text)
        message.ack()

    with receivers.new_connection() as connection:
        channel = connection.default_channel
        first, second = (
            kombu.Consumer(channel, [kombu.Queue(name)], on_message=receive) for _ in range(2)
        )
        first.consume()
        second.consume()
        first.cancel()
        for number in range(5):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))

        deadline = time.monotonic() + 10
        while len(received) < 5 and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue

    assert sorted(received) == ["0", "1", "2", "3", "4"]


@pytest.mark.slow
def test_a_channel_that_was_closed_takes_no_message_from_the_other(receivers, server, sqs):
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    received = []

    def receive(message):
        received.append(message.text)
        message.ack()

    with receivers.new_connection() as connection:
        first, second = connection.channel(), connection.channel()
        for channel in (first, second):
            kombu.Consumer(channel, [kombu.Queue(name)], on_message=receive).consume()
        first.close()
        for number in range(5):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))
        asked = server.count("ReceiveMessage", name)

        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue

        assert sorted(received) == ["0", "1", "2", "3", "4"]
        assert server.count("ReceiveMessage", name) - asked <= 20


class Failing(LocalLimit):
    """A limit that raises so many times."""

    def __init__(self, times):
        super().__init__(1_000)
        self.times = times

    def reserve(self, count):
        if self.times:
            self.times -= 1
            raise RuntimeError("can't start new thread")
        return super().reserve(count)


def test_a_limit_that_raises_for_a_while_costs_its_queue_no_place(
    receivers, tally, start, eventually, monkeypatch
):
    monkeypatch.setattr(outage, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(outage, "LAST_PAUSE", 0.05)
    receivers.register("orders", tally)
    receivers.send("orders", body="x")
    limit = Failing(5)

    start(receivers, limits={"orders": limit})

    eventually(lambda: tally.done, timeout=15)
    assert not limit.times


def test_of_more_messages_than_were_asked_for_a_limit_runs_its_number_alone(
    receivers, tally, monkeypatch, counts, eventually
):
    asked = []
    begin = Requests.begin_receive

    def begin_receive(requests, queue, count, *args):
        asked.append(count)
        return begin(requests, queue, 10, *args)

    monkeypatch.setattr(Requests, "begin_receive", begin_receive)
    queue = receivers.register("orders", tally)
    receivers.send_many("orders", map(str, range(10)))

    consume_until(receivers, 3, threads=2)

    assert max(asked) <= 3
    assert len(tally.done) == 3
    eventually(lambda: counts(queue.full_name()) == (7, 0, 0))


def test_a_queue_about_whose_failure_there_is_no_memory_to_tell_is_polled_again(
    receivers, tally, start, eventually, server, monkeypatch
):
    """Nothing was polled any more, and nothing said so."""

    def no_memory(*args, **kwargs):
        raise MemoryError

    queue = receivers.register("orders", tally)
    monkeypatch.setattr(outage.logger, "makeRecord", no_memory)
    receivers.send("orders", body="a")
    with server.refusing("ReceiveMessage", queue.full_name()):
        start(receivers)
        eventually(lambda: server.count("ReceiveMessage", queue.full_name()))

    eventually(lambda: tally.done)
