"""Pollers: how long they wait, and how much the consumer is given."""

import queue
import time

import pytest

from django_sqs_kombu.transport.receiving.inbox import Inbox


class Waiting:
    """A poller that always has one more message."""

    def take(self):
        return "lease"


@pytest.fixture
def channel(receivers):
    with receivers.new_connection() as connection:
        yield connection.default_channel


def test_polls_of_an_empty_queue_grow_to_twenty_seconds(
    channel, receivers, sqs, monkeypatch, eventually
):
    name = f"{receivers.prefix}__empty"
    sqs.create_queue(QueueName=name)
    asked = []

    def receive(queue, count, wait_time, visibility_timeout):
        asked.append(wait_time)
        time.sleep(0.01)
        return []

    monkeypatch.setattr(channel.requests, "receive", receive)
    channel.basic_consume(name, False, print, "tag")
    eventually(lambda: len(asked) > 7)
    channel.basic_cancel("tag")

    assert asked[:7] == [1, 2, 4, 8, 16, 20, 20]


def test_a_consumer_that_waits_is_given_what_there_is():
    inbox = Inbox()

    assert inbox.soon(20) >= 100
    with pytest.raises(queue.Empty):
        inbox.next(timeout=0.01)


def test_a_consumer_that_stays_away_is_given_ever_less():
    inbox = Inbox()
    inbox.announce(Waiting())
    inbox.next(timeout=1)

    time.sleep(0.1)
    assert 5 <= inbox.soon(1) <= 10
    time.sleep(0.3)
    assert inbox.soon(1) <= 2


def test_a_slow_consumer_that_is_back_is_given_one():
    inbox = Inbox()
    for _ in range(5):
        inbox.announce(Waiting())
        inbox.next(timeout=1)
        time.sleep(0.2)
    with pytest.raises(queue.Empty):
        inbox.next(timeout=0.01)

    assert inbox.soon(0.1) == 1


def test_a_woken_consumer_returns_at_once():
    inbox = Inbox()
    inbox.wake()

    assert inbox.next(timeout=10) is None
