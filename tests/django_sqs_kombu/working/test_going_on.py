"""A long receiver hears that its worker stops, and goes on from where it was."""

import pickle
import re
import threading
import time

import pytest

from django_sqs_kombu import (
    Continue,
    RawMessage,
    ReceiverConsumer,
    RestartLater,
    cursor,
    stopping,
)
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail
from django_sqs_kombu.working.going_on import worker_stops
from django_sqs_kombu.working.handling import handle
from django_sqs_kombu.working.outcomes import settle
from django_sqs_kombu.working.table import Action

from .fakes import FakeDelivery, refused


@pytest.fixture
def registered(receivers):
    return receivers.register("orders", print)


def trail_of(delivery):
    [entry] = delivery.sent
    return Trail.of(entry["MessageAttributes"])


def test_a_message_is_sent_again_at_once_with_its_cursor(registered):
    delivery = FakeDelivery(receive_count=4)

    assert settle(registered, delivery, None, Continue({"page": 7})) is Action.REQUEUE

    assert delivery.done == [("ack",)]
    assert delivery.sent[0]["DelaySeconds"] == 0
    assert trail_of(delivery).cursor == {"page": 7}


@pytest.mark.parametrize("age", [0, 86_400 * 30])
def test_with_a_new_cursor_it_has_its_tries_again_and_no_age(registered, age):
    before = Trail("id-0", None, time.time() - age, restarts=9, tries=5, cursor=[1])
    delivery = FakeDelivery(attributes={TRAIL: before.attribute()})

    assert settle(registered, delivery, None, Continue([2])) is Action.REQUEUE

    trail = trail_of(delivery)
    assert (trail.id, trail.cursor, trail.restarts, trail.tries) == ("id-0", [2], 0, 0)


def test_without_progress_it_is_a_restart_as_any(registered):
    before = Trail("id-0", None, time.time(), restarts=9, cursor=[1])
    delivery = FakeDelivery(attributes={TRAIL: before.attribute()})
    old = Trail("id-0", None, time.time() - 86_400 * 30, restarts=9, cursor=[1])
    forever = FakeDelivery(attributes={TRAIL: old.attribute()})

    assert settle(registered, delivery, None, Continue([1])) is Action.REQUEUE
    assert trail_of(delivery).restarts == 10
    assert settle(registered, forever, None, Continue([1])) is Action.REJECT


@pytest.mark.parametrize(
    "delivery", [FakeDelivery(queue="orders.fifo"), FakeDelivery({"SendMessage": refused()})]
)
def test_where_it_cannot_be_sent_it_begins_anew_after_a_pause(registered, delivery, caplog):
    assert settle(registered, delivery, None, Continue(3)) is Action.REQUEUE

    assert delivery.done == [("requeue", None)]
    assert "it could not be sent with its cursor" in caplog.text


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), "x" * 20_000])
def test_a_cursor_that_cannot_travel_is_the_receivers_error(value):
    with pytest.raises((TypeError, ValueError)):
        Continue(value)


def test_a_cursor_is_what_the_next_run_finds_in_other_processes_too():
    raised = pickle.loads(pickle.dumps(Continue({"at": (1, 2)}, delay=5)))

    assert raised.cursor == {"at": [1, 2]}
    assert (raised.delay, raised.counts) == (5, False)


def test_outside_of_a_receiver_nothing_stops():
    assert stopping() is False
    assert cursor() is None


def test_the_largest_cursor_travels():
    largest = "x" * 16_000

    assert Trail.of({TRAIL: Trail("i" * 100, cursor=largest).attribute()}).cursor == largest


# At a real server.


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_is_heard_and_another_worker_goes_on(receivers, threads):
    runs, started = [], threading.Event()

    def receive(message):
        assert message.cursor == cursor()
        begin = message.cursor or 0
        runs.append(begin)
        for step in range(begin, 10_000):
            if step == 30 and begin:
                return
            started.set()
            if stopping():
                raise Continue(step + 1)
            time.sleep(0.01)

    queue = receivers.register("orders", receive, message_class=RawMessage)
    queue.send(body="x")
    first = ReceiverConsumer(receivers, threads=threads, message_limit=1)
    running = threading.Thread(target=first.run, daemon=True)
    running.start()
    assert started.wait(20)
    first.stop()
    running.join(20)
    assert not running.is_alive()

    second = ReceiverConsumer(receivers, threads=threads, message_limit=1)
    guard = threading.Timer(20, second.stop)
    guard.start()
    second.run()
    guard.cancel()

    assert len(runs) == 2
    assert runs[0] == 0 < runs[1]


def test_an_async_receiver_hears_it_too(receivers):
    heard = []

    async def receive(message):
        heard.append(stopping())
        consumer.stop()
        heard.append(stopping())

    receivers.register("orders", receive)
    receivers.send("orders", body="x")
    consumer = ReceiverConsumer(receivers, message_limit=1)
    consumer.run()

    assert heard == [False, True]


@pytest.mark.parametrize("dead", [False, True])
def test_what_was_deleted_on_receipt_and_is_refused_at_a_stop_is_told_at_once(
    receivers, caplog, dead
):
    def receive(message):
        raise ValueError if dead else RestartLater(delay=1)

    options = {"dead_letter_queue": "dead", "dead_letter": ValueError} if dead else {}
    registered = receivers.register("orders", receive, delete_on_start=True, **options)
    delivery = FakeDelivery({"SendMessage": refused()})
    began = time.monotonic()
    token = worker_stops.set(lambda: True)
    try:
        handle(registered, delivery, registered.get_queue())
    finally:
        worker_stops.reset(token)

    assert time.monotonic() - began < 0.4
    assert re.search(r"deleted on receipt and .*is lost; body 'the body'", caplog.text)


@pytest.mark.parametrize("deleted", [False, True])
def test_a_receiver_that_is_cut_off_leaves_what_was_deleted_on_receipt_in_the_log(
    receivers, eventually, caplog, deleted
):
    started, go_on = [], threading.Event()

    def wait(message):
        started.append(message)
        go_on.wait(10)

    receivers.register("orders", wait, delete_on_start=deleted)
    receivers.send("orders", body="a body")
    consumer = ReceiverConsumer(receivers)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    eventually(lambda: started)

    consumer.stop(break_off=True)
    consumer.release_running()

    go_on.set()
    thread.join(5)
    assert not thread.is_alive()
    assert ("deleted on receipt and is lost; body 'a body'" in caplog.text) == deleted
