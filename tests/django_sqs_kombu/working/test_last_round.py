"""A stop of a queue whose receives count: what was received is started, not received in vain."""

import signal
import threading
import time

import pytest

from django_sqs_kombu import ReceiverConsumer

STOPS = 3


@pytest.fixture
def mortal(receivers, tally):
    """A queue with a redrive policy."""
    receivers.register("dead", None).get_queue()
    return receivers.register("orders", tally, dead_letter_queue="dead", max_receives=3)


@pytest.fixture
def load(mortal):
    """Messages without end, until the test says."""
    over = threading.Event()

    def send():
        while not over.wait(0.1):
            mortal.send_many(["x 0.01"] * 10)

    thread = threading.Thread(target=send)
    thread.start()
    yield over
    over.set()
    thread.join(20)


@pytest.fixture
def until_polled(eventually, server):
    """Wait until a consumer has just begun to poll a queue: a poll lasts for a second."""

    def until_polled(consumer, queue):
        def begun():
            return server.count("ReceiveMessage", queue.full_name())

        eventually(lambda: consumer._channel is not None)
        eventually(lambda: begun() > 0)
        before = begun()
        eventually(lambda: begun() > before)
        eventually(lambda: consumer._channel.pollers[queue.full_name()].polls)

    return until_polled


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 4])
def test_rolling_stops_under_load_receive_nothing_in_vain(
    threads, load, mortal, polls, receivers, tally, start, eventually, counts
):
    for _ in range(STOPS):
        seen = len(tally.starts)
        consumer, thread = start(receivers, threads=threads)
        eventually(lambda seen=seen: len(tally.starts) > seen + 12)

        consumer.stop()
        thread.join(20)

        assert not thread.is_alive()
        assert counts(mortal.full_name())[1] == 0
    assert polls.count == sum(tally.starts.values())
    assert not tally.twice


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_poll_brings_after_the_stop_is_started(
    threads, mortal, receivers, tally, start, counts, until_polled
):
    consumer, thread = start(receivers, threads=threads)
    until_polled(consumer, mortal)

    consumer.stop()
    receivers.send("orders", body="late")
    thread.join(10)

    assert not thread.is_alive()
    assert (tally.done, counts(mortal.full_name())) == ({"late"}, (0, 0, 0))


def test_what_a_poll_brings_after_the_stop_is_left_to_a_successor_with_newer_code(
    mortal, receivers, tally, start, counts, until_polled
):
    consumer, thread = start(receivers)
    until_polled(consumer, mortal)

    consumer.starts_after_stop = False
    consumer.stop()
    receivers.send("orders", body="late")
    thread.join(10)

    assert not thread.is_alive()
    assert (tally.done, counts(mortal.full_name())) == (set(), (1, 0, 0))


def test_none_is_started_where_others_have_run_for_long(
    mortal, receivers, tally, start, eventually, counts, until_polled
):
    """Each may take as long, and would be cut off: none has ended yet to say it."""
    consumer, thread = start(receivers, threads=2, grace_period=2)
    receivers.send("orders", body="long 2")
    eventually(lambda: tally.starts)
    time.sleep(1.2)
    until_polled(consumer, mortal)

    consumer.stop()
    receivers.send("orders", body="late")
    thread.join(10)

    assert not thread.is_alive()
    assert tally.done == {"long 2"}
    assert counts(mortal.full_name()) == (1, 0, 0)


def test_asynchronous_receivers_start_what_a_poll_brings_after_the_stop(
    receivers, start, counts, until_polled
):
    done = []

    async def receive(message):
        done.append(message.get_body())

    receivers.register("dead", None).get_queue()
    queue = receivers.register("orders", receive, dead_letter_queue="dead", max_receives=3)
    consumer, thread = start(receivers, coroutines=5)
    until_polled(consumer, queue)

    consumer.stop()
    receivers.send("orders", body="late")
    thread.join(10)

    assert not thread.is_alive()
    assert (done, counts(queue.full_name())) == (["late"], (0, 0, 0))


def test_a_batch_receiver_gets_what_a_poll_brings_after_the_stop(
    receivers, start, counts, until_polled
):
    done = []
    receivers.register("dead", None).get_queue()
    queue = receivers.register(
        "orders", done.append, batch=10, wait=300, dead_letter_queue="dead", max_receives=3
    )
    consumer, thread = start(receivers)
    until_polled(consumer, queue)

    consumer.stop()
    receivers.send("orders", body="late")
    thread.join(10)

    assert not thread.is_alive()
    assert [message.get_body() for batch in done for message in batch] == ["late"]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_where_receives_do_not_count_it_is_given_back_at_once(
    receivers, tally, start, counts, until_polled
):
    queue = receivers.register("orders", tally)
    consumer, thread = start(receivers)
    until_polled(consumer, queue)

    consumer.stop()
    receivers.send("orders", body="late")
    thread.join(10)

    assert not thread.is_alive()
    assert (tally.done, counts(queue.full_name())) == (set(), (1, 0, 0))


def test_nothing_is_started_that_may_not_end_within_the_grace_period(
    mortal, receivers, tally, start, counts, eventually, until_polled
):
    receivers.send("orders", body="first 0.6")
    consumer, thread = start(receivers, grace_period=1)
    eventually(lambda: tally.done)
    until_polled(consumer, mortal)

    consumer.stop()
    receivers.send("orders", body="late 0.6")
    thread.join(10)

    assert not thread.is_alive()
    assert (tally.done, counts(mortal.full_name())) == ({"first 0.6"}, (1, 0, 0))


def test_what_waits_behind_a_long_receiver_is_given_back_after_a_poll_period(
    mortal, receivers, tally, start, counts, eventually
):
    go_on = threading.Event()
    receivers.register("long", lambda message: go_on.wait(20), priority=-1)
    receivers.send("long", body="x")
    consumer, thread = start(receivers)
    eventually(lambda: len(consumer.under_way()) == 1)
    receivers.send_many("orders", ["a", "b"])
    eventually(lambda: consumer._live_connection.transport.has_waiting(), timeout=3)

    began = time.monotonic()
    consumer.stop()
    eventually(lambda: counts(mortal.full_name()) == (2, 0, 0))

    assert time.monotonic() - began < 5
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not tally.done


def test_nothing_is_started_after_a_ctrl_c_in_a_receiver(receivers, counts, eventually):
    seen = []

    def receive(message):
        seen.append(message.get_body())
        if len(seen) == 4:
            # When its pace is known, some are received before they are wanted.
            eventually(consumer._live_connection.transport.has_waiting)
            consumer.stop()
        if len(seen) == 5:
            raise KeyboardInterrupt

    receivers.register("dead", None).get_queue()
    queue = receivers.register("orders", receive, dead_letter_queue="dead", max_receives=3)
    receivers.send_many("orders", list("abcdefghij"))
    consumer = ReceiverConsumer(receivers)
    guard = threading.Timer(20, consumer.stop)
    guard.start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        consumer.run()
    finally:
        signal.signal(signal.SIGINT, before)
        guard.cancel()

    assert len(seen) == 5
    assert counts(queue.full_name())[1] == 0


def test_a_stop_that_breaks_polls_off_starts_nothing(
    mortal, receivers, tally, start, counts, eventually
):
    receivers.send_many("orders", [f"{number} 0.2" for number in range(10)])
    consumer, thread = start(receivers)
    eventually(lambda: tally.starts)

    consumer.stop(break_off=True)
    thread.join(10)

    assert not thread.is_alive()
    assert len(tally.starts) < 10
    assert counts(mortal.full_name()) == (10 - len(tally.done), 0, 0)
