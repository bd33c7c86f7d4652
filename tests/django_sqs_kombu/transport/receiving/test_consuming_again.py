"""A consumer that was cancelled, dropped or only glances, and the messages that it did not take."""

import gc
import json
import threading
import time

import kombu
import pytest

from django_sqs_kombu.transport.receiving.inbox import Inbox


@pytest.fixture
def mortal(receivers, sqs, counts):
    """A queue whose messages are dead after 3 receives: its name, its URL and its dead letters."""
    name = f"{receivers.prefix}__mortal"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 3}
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
    return name, url["QueueUrl"], lambda: counts(f"{name}-dead")


def send(sqs, url, count):
    for number in range(count):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))


def test_a_consumer_for_each_message_buries_none(receivers, mortal, sqs):
    name, url, dead = mortal
    send(sqs, url, 20)
    received = []

    def take(message):
        received.append(message.receive_count)
        message.ack()

    with receivers.new_connection() as connection:
        channel = connection.channel()
        deadline = time.monotonic() + 30
        while len(received) < 20 and time.monotonic() < deadline:
            with kombu.Consumer(channel, [kombu.Queue(name)], on_message=take, auto_declare=False):
                connection.drain_events(timeout=5)
        unended = len(channel._finishing)

    assert received == [1] * 20
    assert dead() == (0, 0, 0)
    assert unended < 10


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 25])
def test_a_consumer_for_each_block_of_messages_buries_none(receivers, mortal, sqs, size):
    """It comes and goes 10 times; those that it was not there for go back, and count."""
    name, url, dead = mortal
    send(sqs, url, 10 * size)
    received, block = [], []

    def take(message):
        block.append(message.receive_count)
        message.ack()

    with receivers.new_connection() as connection:
        channel = connection.channel()
        deadline = time.monotonic() + 60
        while len(received) < 10 * size and time.monotonic() < deadline:
            block.clear()
            with kombu.Consumer(channel, [kombu.Queue(name)], on_message=take, auto_declare=False):
                while len(block) < size and len(received) + len(block) < 10 * size:
                    connection.drain_events(timeout=5)
            received += block

    assert len(received) == 10 * size
    assert dead() == (0, 0, 0)
    # A tenth at most.
    assert sum(received) <= 11 * size


def test_who_only_looks_whether_there_is_a_message_gets_it(receivers, mortal, sqs):
    name, url, _ = mortal
    send(sqs, url, 2)
    received = []

    def take(message):
        received.append(message.text)
        message.ack()

    deadline = time.monotonic() + 15
    with (
        receivers.new_connection() as connection,
        kombu.Consumer(connection, [kombu.Queue(name)], on_message=take, auto_declare=False),
    ):
        while len(received) < 2 and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=0)
            except TimeoutError:
                time.sleep(0.05)

    assert sorted(received) == ["0", "1"]


@pytest.mark.slow
def test_what_a_poll_brings_to_a_connection_that_was_dropped_is_given_back(
    receivers, mortal, sqs, counts, eventually
):
    """The keeper had nothing to do any more when the poll ends."""
    name, url, _ = mortal
    connection = receivers.new_connection()
    connection.transport_options = {**connection.transport_options, "wait_time_seconds": 10}
    consumer = kombu.Consumer(
        connection, [kombu.Queue(name)], on_message=kombu.Message.ack, auto_declare=False
    )
    consumer.consume()
    send(sqs, url, 1)
    connection.drain_events(timeout=5)
    keeper = connection.default_channel.keeper
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.5)

    del connection, consumer
    gc.collect()
    assert keeper.abandoned
    # The fixture's queue hides what it hands out for 30 s.
    send(sqs, url, 1)
    time.sleep(0.5)

    eventually(lambda: counts(name) == (1, 0, 0), timeout=5)


class Source:
    priority = 1


def test_an_inbox_that_forgets_one_poller_learns_another_meanwhile():
    going, go = threading.Event(), threading.Event()

    class Slow(Source):
        __hash__ = None

        def __eq__(self, other):
            # The inbox looks for the one that it is to forget.
            going.set()
            go.wait(5)
            return self is other

    inbox, slow, old, new = Inbox(), Slow(), Source(), Source()
    for each in (slow, old):
        inbox.add(each)
    forgetting = threading.Thread(target=inbox.remove, args=(old,))
    forgetting.start()
    assert going.wait(5)
    learning = threading.Thread(target=inbox.add, args=(new,))
    learning.start()
    learning.join(0.2)
    go.set()
    forgetting.join(), learning.join()

    assert inbox._sources == [slow, new]
