"""Pollers: how long they wait, for whom, and that nothing ends them."""

import contextlib
import queue
import threading
import time

import pytest

from django_sqs_kombu.transport.receiving.consumption import Consumption
from django_sqs_kombu.transport.receiving.inbox import Inbox
from django_sqs_kombu.transport.receiving.polls import Poll
from django_sqs_kombu.transport.receiving.rest import Rest


@pytest.fixture
def channel(receivers):
    with receivers.new_connection() as connection:
        yield connection.default_channel


@pytest.fixture
def polls(channel, monkeypatch):
    """What the polls of an empty queue were asked to wait, and what they answer."""
    asked = []

    def begin_receive(queue, count, wait_time, visibility_timeout, done):
        asked.append(wait_time)
        threading.Timer(0.01, done, [[]]).start()

    monkeypatch.setattr(channel.requests, "begin_receive", begin_receive)
    # Those answers come sooner than they were to: the pauses after them are no part of this.
    monkeypatch.setattr(Rest, "seconds", lambda self: 0.0)
    return asked


@pytest.fixture
def drain(channel):
    """Somebody who waits for messages, in a thread."""
    stopped = threading.Event()

    def run():
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                channel.connection.drain_events(None, timeout=0.2)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stopped.set()
    thread.join()


@pytest.fixture
def empty(receivers, sqs):
    name = f"{receivers.prefix}__empty"
    sqs.create_queue(QueueName=name)
    return name


def test_polls_of_an_empty_queue_grow_to_twice_the_poll_period(
    channel, empty, polls, drain, eventually
):
    channel.consume(Consumption(empty, wait=6, lasting=True))
    channel.basic_consume(empty, False, print, "tag")
    eventually(lambda: len(polls) > 4)
    channel.basic_cancel("tag")

    assert polls[:4] == [6, 12, 12, 12]


def test_a_consumer_that_may_be_gone_soon_is_polled_for_shortly_at_first(
    channel, empty, polls, drain, eventually
):
    channel.consume(Consumption(empty, wait=10))
    channel.basic_consume(empty, False, print, "tag")
    eventually(lambda: len(polls) > 6)
    channel.basic_cancel("tag")

    assert polls[:6] == [1, 2, 4, 8, 16, 20]


def test_nobody_polls_for_a_consumer_that_never_drains(channel, empty, server):
    channel.basic_consume(empty, False, print, "tag")

    time.sleep(1.5)

    assert server.count("ReceiveMessage", empty) == 0


def test_what_observes_a_poll_and_fails_stops_no_poller(
    channel, empty, sqs, drain, eventually, caplog
):
    def fail(count):
        raise ValueError("an observer's own fault")

    received = []
    channel.consume(Consumption(empty, wait=1, on_poll=fail, lasting=True))
    channel.basic_consume(empty, False, received.append, "tag")
    url = sqs.get_queue_url(QueueName=empty)["QueueUrl"]
    for number in range(2):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
        eventually(lambda number=number: len(received) > number)

    assert "An observer of the polls" in caplog.text


@pytest.mark.slow
def test_a_thread_that_cannot_be_started_stops_no_poller(
    channel, empty, sqs, drain, eventually, monkeypatch
):
    received = []
    channel.consume(Consumption(empty, wait=1, lasting=True))
    channel.basic_consume(empty, False, received.append, "tag")
    url = sqs.get_queue_url(QueueName=empty)["QueueUrl"]

    start = threading.Thread.start

    def refuse(self):
        # The server, which runs in this process, may have its threads.
        if self.name.startswith("sqs-"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(3):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    eventually(lambda: len(received) == 30, timeout=30)


class Answered(Poll):
    """One whose answer another thread takes when somebody has looked at it twice."""

    __slots__ = ()
    looks = 2

    @property
    def begun(self):
        Answered.looks -= 1
        return Poll.begun.__get__(self) if Answered.looks >= 0 else None

    @begun.setter
    def begun(self, begun):
        Poll.begun.__set__(self, begun)


def test_a_stop_goes_on_over_a_poll_that_is_answered_meanwhile(
    channel, empty, drain, eventually, monkeypatch
):
    class Begun:
        def break_off(self):
            broken_off.append(self)

    broken_off = []
    monkeypatch.setattr(channel.requests, "begin_receive", lambda *args: Begun())
    channel.basic_consume(empty, False, print, "tag")
    poller = channel.pollers[empty]
    eventually(lambda: any(poll.begun for poll in poller._polls))
    for poll in poller._polls:
        poll.__class__ = Answered

    poller.stop(break_off=True)

    assert broken_off
    for poll in list(poller._polls):
        poller._answered(poll, [])
    assert poller.ending.over.wait(5)


def test_a_woken_consumer_returns_at_once():
    inbox = Inbox()
    inbox.wake()

    assert inbox.next(timeout=10) is None


def test_a_consumer_waits_as_long_as_it_says():
    with pytest.raises(queue.Empty):
        Inbox().next(timeout=0.01)


@pytest.mark.parametrize("where", ["begun", "read", "held"])
def test_a_fault_of_our_own_in_a_poll_is_followed_by_another_poll(
    where, channel, empty, sqs, drain, eventually, monkeypatch
):
    owner, name = {
        "begun": (channel.requests, "begin_receive"),
        "read": (channel.requests._received, "valid"),
        "held": (channel.intake, "hold"),
    }[where]
    real, failed = getattr(owner, name), []

    def fail_once(*args, **kwargs):
        if not failed:
            failed.append(name)
            raise ZeroDivisionError("a fault of our own")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, fail_once)
    received, url = [], sqs.get_queue_url(QueueName=empty)["QueueUrl"]
    if where == "held":
        # An empty answer has nothing to hold.
        sqs.send_message(QueueUrl=url, MessageBody="hidden until its timeout is over")
    channel.consume(Consumption(empty, wait=1, lasting=True))
    channel.basic_consume(empty, False, received.append, "tag")
    eventually(lambda: failed)
    sqs.send_message(QueueUrl=url, MessageBody="x")

    eventually(lambda: received)
