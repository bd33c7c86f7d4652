"""Ctrl-C in a script: the consumer stops between messages, and none is stranded or runs twice."""

import signal
import sys
import threading

import kombu
import pytest

from django_sqs_kombu import ReceiverConsumer, Receivers
from django_sqs_kombu.transport.holding.table import HeldMessages
from django_sqs_kombu.working.attempt import check_returned
from django_sqs_kombu.working.deadline import _Alarm

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals come elsewhere"
)


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def by_default():
    """Ctrl-C as in a script: pytest, too, has Python's own handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupted_at(monkeypatch):
    """Have Ctrl-C come in the middle of what is done with a message, the first time."""

    def interrupted_at(name):
        usual, came = getattr(HeldMessages, name), []

        def interrupted(self, *args, **options):
            if not came and threading.current_thread() is threading.main_thread():
                came.append(True)
                interrupt()
            return usual(self, *args, **options)

        monkeypatch.setattr(HeldMessages, name, interrupted)

    return interrupted_at


# With several threads the main one settles none; at the close it looks what is held still.
@pytest.mark.parametrize(
    ("place", "threads"), [("take", 1), ("take", 2), ("settle", 1), ("all", 1), ("all", 2)]
)
def test_between_messages_it_strands_none(receivers, counts, interrupted_at, place, threads):
    ran = []
    queue = receivers.register("orders", ran.append)
    queue.send_many(["a", "b", "c"])
    interrupted_at(place)

    with pytest.raises(KeyboardInterrupt):
        ReceiverConsumer(receivers, threads=threads, message_limit=3).run()

    assert counts(queue.full_name()) == (3 - len(ran), 0, 0)


def test_within_a_receiver_it_ends_that_one(receivers, counts):
    ran = []

    def receive(message):
        ran.append(message)
        interrupt()
        ran.append("went on")

    queue = receivers.register("orders", receive)
    queue.send(body="a")

    ReceiverConsumer(receivers).run()

    assert len(ran) == 1
    assert counts(queue.full_name()) == (1, 0, 0)


@pytest.mark.parametrize(
    ("where", "name"),
    [(sys.modules[check_returned.__module__], "check_returned"), (_Alarm, "__exit__")],
)
def test_when_a_receiver_has_just_returned_its_message_is_done(
    receivers, counts, monkeypatch, where, name
):
    usual, ran = getattr(where, name), []

    def interrupted(*args):
        interrupt()
        usual(*args)

    queue = receivers.register("orders", lambda message: ran.append(message) or "done", timeout=60)
    queue.send(body="a")
    monkeypatch.setattr(where, name, interrupted)

    with pytest.raises(KeyboardInterrupt):
        ReceiverConsumer(receivers, message_limit=1).run()

    assert len(ran) == 1
    assert counts(queue.full_name()) == (0, 0, 0)


def test_the_second_time_it_comes_at_once(receivers):
    turns = []

    class Hanging(ReceiverConsumer):
        def on_turn(self):
            interrupt()
            turns.append("stops")
            interrupt()
            turns.append("hangs")

    receivers.register("orders", turns.append)
    with pytest.raises(KeyboardInterrupt):
        Hanging(receivers).run()

    assert turns == ["stops"]


def test_a_second_time_after_a_receiver_it_comes_at_once(receivers):
    went_on = []

    class Hanging(ReceiverConsumer):
        def on_consume_end(self, connection, channel):
            interrupt()
            went_on.append("hangs")

    receivers.register("orders", lambda message: interrupt()).send(body="a")
    with pytest.raises(KeyboardInterrupt):
        Hanging(receivers).run()

    assert went_on == []


def test_after_a_receiver_that_catches_it_none_runs_twice(receivers, counts, interrupted_at):
    def receive(message):
        with pytest.raises(KeyboardInterrupt):
            interrupt()

    queue = receivers.register("orders", receive)
    queue.send(body="a")
    interrupted_at("settle")

    with pytest.raises(KeyboardInterrupt):
        ReceiverConsumer(receivers, message_limit=1).run()

    assert counts(queue.full_name()) == (0, 0, 0)


def test_it_ends_a_consumer_for_which_no_broker_answers():
    class Alone(ReceiverConsumer):
        def on_connection_error(self, exc, interval):
            interrupt()

    urls = ["sqs://any:any@127.0.0.1:9"] * 2
    transport = "django_sqs_kombu.transport:Transport"
    options = {"region": "us-east-1", "is_secure": False}
    connection = kombu.Connection(";".join(urls), transport=transport, transport_options=options)
    receivers = Receivers(connection)
    receivers.register("orders", print)

    with pytest.raises(KeyboardInterrupt):
        Alone(receivers).run()


def test_whoever_handles_it_goes_on_doing_so(receivers):
    came = []

    def handle(signum, frame):
        came.append(signum)
        consumer.stop()

    class Interrupted(ReceiverConsumer):
        def on_turn(self):
            if not came:
                interrupt()

    receivers.register("orders", came.append)
    consumer = Interrupted(receivers)
    signal.signal(signal.SIGINT, handle)
    try:
        consumer.run()
        assert signal.getsignal(signal.SIGINT) is handle
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    assert came == [signal.SIGINT]


def test_a_single_message_whose_receiver_has_ended_is_done(receivers, counts, interrupted_at):
    ran = []
    queue = receivers.register("orders", ran.append)
    queue.send(body="a")
    interrupted_at("settle")

    with pytest.raises(KeyboardInterrupt):
        queue.receive_single()

    assert len(ran) == 1
    assert counts(queue.full_name()) == (0, 0, 0)
