"""Middleware: each hook is called when it says so, and what it raises harms no message."""

import logging
import signal
import threading
from contextlib import contextmanager

import pytest

from django_sqs_kombu import (
    Admission,
    Middleware,
    ReceiverConsumer,
    RequestFailed,
    RestartLater,
)
from django_sqs_kombu.working.table import Action


class Noting(Middleware):
    """Notes each hook that is called."""

    def __init__(self):
        self.noted = []
        self.settlements = []

    @contextmanager
    def sending(self, sending):
        sending.attributes["colour"] = "red"
        try:
            yield
        except RequestFailed:
            self.noted.append("not sent")
            raise
        self.noted.append(f"sent {sending.count}")

    def admit(self, registered, delivery):
        self.noted.append("admit")
        return Admission()

    @contextmanager
    def receiving(self, registered, delivery):
        self.noted.append("enter")
        try:
            yield
        finally:
            self.noted.append("leave")

    def settled(self, settlement):
        self.noted.append("settled")
        self.settlements.append(settlement)

    def polled(self, registered, received):
        self.noted.append(f"polled {registered.name}")

    def stopping(self):
        self.noted.append("stopping")


class Admitting(Middleware):
    """Says the same of every message."""

    def __init__(self, admission):
        self.admission = admission

    def admit(self, registered, delivery):
        return self.admission


HOOKS = ("sending", "admit", "receiving", "settled", "polled", "stopping", "process_ended")


class Failing(Middleware):
    """Raises wherever it is asked."""


def fail(self, *args):
    raise ZeroDivisionError


for hook in HOOKS:
    setattr(Failing, hook, fail)


@pytest.fixture
def noting(receivers):
    noting = Noting()
    receivers.middleware.append(noting)
    return noting


def consume(receivers, count=1, **options):
    ReceiverConsumer(receivers, message_limit=count, **options).run()


def test_the_hooks_of_a_message_that_is_sent_and_received(receivers, noting):
    ran = []

    def receive(message):
        ran.append(message.message_attributes["colour"]["StringValue"])
        noting.noted.append("run")

    queue = receivers.register("orders", receive)
    queue.send(body="x")
    consume(receivers)

    assert ran == ["red"]
    own = [each for each in noting.noted if each != "polled orders"]
    assert own == ["sent 1", "admit", "enter", "run", "leave", "settled"]
    assert "polled orders" in noting.noted
    [settlement] = noting.settlements
    assert (settlement.registered, settlement.action) == (queue, Action.DELETE)
    assert settlement.message.get_body() == "x"
    assert settlement.seconds > 0


def test_what_is_not_sent_is_raised_within_its_context(receivers, noting, server):
    queue = receivers.register("orders")
    with server.refusing("SendMessage", queue.full_name()), pytest.raises(RequestFailed):
        queue.send(body="x")

    assert noting.noted == ["not sent"]


def test_a_message_that_is_refused_is_settled_unreceived(receivers, noting):
    ran = []
    receivers.register("orders", ran.append)
    refused = RestartLater(300)
    receivers.middleware.append(Admitting(Admission(refused=refused)))
    receivers.send("orders", body="x")
    consume(receivers)

    assert not ran
    [settlement] = noting.settlements
    assert (settlement.action, settlement.raised) == (Action.REQUEUE, refused)
    assert "enter" not in noting.noted


def test_a_message_that_is_to_be_alone_runs_while_no_other_does(receivers):
    running, beside, lock = set(), [], threading.Lock()

    def receive(message):
        with lock:
            running.add(message.id)
            beside.append(len(running))
        threading.Event().wait(0.05)
        with lock:
            running.discard(message.id)

    receivers.register("orders", receive)
    receivers.middleware.append(Admitting(Admission(alone=True)))
    receivers.send_many("orders", list("abcdef"))
    consume(receivers, 6, threads=3)

    assert beside == [1] * 6


def test_it_is_told_once_that_the_consumer_is_to_stop(receivers, noting):
    receivers.register("orders", print)
    consumer = ReceiverConsumer(receivers)
    consumer.stop()
    consumer.stop()

    assert noting.noted == ["stopping"]


def test_it_may_be_told_of_the_stop_in_a_signal_handler(receivers, noting):
    receivers.register("orders", print)
    consumer = ReceiverConsumer(receivers)
    previous = signal.signal(signal.SIGUSR1, lambda *args: consumer.stop())
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert noting.noted == ["stopping"]


@pytest.mark.parametrize("wrong", [Failing(), Admitting(None)])
def test_one_that_fails_everywhere_harms_neither_a_message_nor_another(
    receivers, noting, counts, caplog, wrong
):
    ran = []
    receivers.middleware.insert(0, wrong)
    queue = receivers.register("orders", lambda message: ran.append(message.get_body()))
    queue.send(body="x")
    with caplog.at_level(logging.ERROR):
        consume(receivers)

    assert ran == ["x"]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert [settlement.action for settlement in noting.settlements] == [Action.DELETE]
    assert f"{type(wrong).__name__} failed" in caplog.text


def test_the_first_is_the_outermost(receivers):
    order = []

    class Named(Middleware):
        def __init__(self, name):
            self.name = name

        @contextmanager
        def receiving(self, registered, delivery):
            order.append(f"enter {self.name}")
            yield
            order.append(f"leave {self.name}")

    receivers.middleware += [Named("a"), Named("b")]
    receivers.register("orders", lambda message: order.append("run"))
    receivers.send("orders", body="x")
    consume(receivers)

    assert order == ["enter a", "enter b", "run", "leave b", "leave a"]


def test_every_hook_says_when_and_where_it_is_called():
    for hook in HOOKS:
        text = getattr(Middleware, hook).__doc__
        assert "When:" in text, hook
        assert "Thread:" in text, hook
        assert "xception" in text, hook
