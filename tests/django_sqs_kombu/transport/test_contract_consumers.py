"""Several consumers of one queue: each has its own callback, and its own acknowledgements."""

import kombu
import pytest


@pytest.fixture
def orders(sqs, prefix):
    sqs.create_queue(QueueName=prefix)
    return kombu.Queue(prefix)


def consume(channel, queue, taken, **options):
    consumer = kombu.Consumer(
        channel, [queue], callbacks=[lambda body, message: taken.append(message)], **options
    )
    consumer.consume()
    return consumer


@pytest.mark.parametrize("cancelled", ["the first", "the second"])
def test_one_that_was_cancelled_gets_no_message(connect, orders, cancelled):
    connection = connect()
    channel = connection.channel()
    taken = {"the first": [], "the second": []}
    consumers = {name: consume(channel, orders, taken[name]) for name in taken}

    consumers[cancelled].cancel()
    kombu.Producer(channel).publish("x", routing_key=orders.name)
    connection.drain_events(timeout=10)

    assert [name for name in taken if taken[name]] == [name for name in taken if name != cancelled]


@pytest.mark.parametrize("channels", [1, 2])
def test_beside_one_that_acknowledges_nothing_messages_are_kept(
    connect, orders, counts, eventually, channels
):
    connection = connect()
    first = connection.channel()
    second = first if channels == 1 else connection.channel()
    consume(first, orders, [], no_ack=True)
    taken = []
    if channels == 2:
        # So that the other one gets the message.
        first.stop_polling()
    consume(second, orders, taken)
    kombu.Producer(first).publish("x", routing_key=orders.name)
    connection.drain_events(timeout=10)

    # If it was deleted, SQS has been told.
    assert first.flush(5)
    assert second.flush(5)
    assert counts(orders.name) == (0, 1, 0)
    taken[0].ack()
    eventually(lambda: counts(orders.name) == (0, 0, 0))


def test_one_that_acknowledges_nothing_leaves_nothing_beside_one_that_does(
    connect, orders, counts, eventually
):
    connection = connect()
    channel = connection.channel()
    consume(channel, orders, [])
    taken = []
    consume(channel, orders, taken, no_ack=True)
    kombu.Producer(channel).publish("x", routing_key=orders.name)
    connection.drain_events(timeout=10)

    assert len(taken) == 1
    eventually(lambda: counts(orders.name) == (0, 0, 0))
