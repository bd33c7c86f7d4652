"""Kombu's exchanges: direct, topic, and fan-out by SNS."""

import time

import kombu
import pytest
from kombu.transport import SQS

TRANSPORTS = ["kombu's", "ours"]
needs_sns = pytest.mark.skipif(
    not hasattr(SQS.Channel, "fanout"), reason="this kombu has no fan-out by SNS"
)


def collect(connection, queues, count, timeout=10):
    """The bodies that come, by queue."""
    received = {queue.name: [] for queue in queues}

    def take(name):
        def callback(body, message):
            received[name].append(body)
            message.ack()

        return callback

    consumers = [
        kombu.Consumer(connection.channel(), [queue], callbacks=[take(queue.name)])
        for queue in queues
    ]
    for consumer in consumers:
        consumer.consume()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and sum(map(len, received.values())) < count:
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            continue
    for consumer in consumers:
        consumer.cancel()
    return received


def bound_queues(channel, prefix, exchange, routing_keys):
    queues = [
        kombu.Queue(f"{prefix}-{number}", exchange, routing_key=key)
        for number, key in enumerate(routing_keys)
    ]
    for queue in queues:
        queue(channel).declare()
    return queues


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("kind", "routing_keys", "reached"),
    [
        ("direct", ["a", "a", "b"], [0, 1]),
        ("topic", ["stock.*", "stock.#", "news.#"], [0, 1]),
    ],
)
def test_a_message_reaches_every_queue_whose_key_matches(
    connect, prefix, transport, kind, routing_keys, reached
):
    connection = connect(transport)
    channel = connection.channel()
    exchange = kombu.Exchange(prefix, type=kind)
    queues = bound_queues(channel, prefix, exchange, routing_keys)

    key = "a" if kind == "direct" else "stock.eu"
    kombu.Producer(channel).publish("x", exchange=exchange, routing_key=key)

    received = collect(connection, queues, len(reached))
    assert [len(bodies) for bodies in received.values()] == [
        int(number in reached) for number in range(len(queues))
    ]


@pytest.mark.parametrize("property_name", ["delay_seconds", "DelaySeconds"])
def test_every_copy_of_a_delayed_message_is_delayed(connect, prefix, counts, property_name):
    channel = connect().channel()
    exchange = kombu.Exchange(prefix, type="direct")
    queues = bound_queues(channel, prefix, exchange, ["a", "a"])

    kombu.Producer(channel).publish("x", exchange=exchange, routing_key="a", **{property_name: 60})

    assert [counts(queue.name) for queue in queues] == [(0, 0, 1), (0, 0, 1)]


def test_every_copy_has_the_message_attributes_and_the_group(connect, sqs, prefix):
    channel = connect().channel()
    exchange = kombu.Exchange(prefix, type="direct")
    queues = bound_queues(channel, prefix, exchange, ["a", "a"])
    attributes = {"source": {"DataType": "String", "StringValue": "shop"}}

    kombu.Producer(channel).publish(
        "x", exchange=exchange, routing_key="a", message_attributes=attributes, MessageGroupId="g"
    )

    for queue in queues:
        url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
        (message,) = sqs.receive_message(
            QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
        )["Messages"]
        assert message["MessageAttributes"] == attributes
        assert message["Attributes"]["MessageGroupId"] == "g"


def test_publishing_leaves_the_callers_attributes_as_they_were(connect, prefix):
    channel = connect().channel()
    attributes = {"source": {"DataType": "String", "StringValue": "shop"}}

    kombu.Producer(channel).publish("x", routing_key=prefix, message_attributes=attributes)

    assert attributes == {"source": {"DataType": "String", "StringValue": "shop"}}


@needs_sns
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_fan_out_reaches_every_queue(connect, prefix, transport):
    connection = connect(transport, supports_fanout=True)
    channel = connection.channel()
    exchange = kombu.Exchange(prefix, type="fanout")
    queues = bound_queues(channel, prefix, exchange, ["", ""])
    # Kombu subscribes a queue when it is consumed.
    collect(connection, queues, 1, timeout=1)

    kombu.Producer(channel).publish("x", exchange=exchange)

    assert collect(connection, queues, 2) == {queue.name: ["x"] for queue in queues}


@needs_sns
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_deleted_queue_is_subscribed_no_more(connect, prefix, transport):
    connection = connect(transport, supports_fanout=True)
    channel = connection.channel()
    exchange = kombu.Exchange(prefix, type="fanout")
    queue, *_ = bound_queues(channel, prefix, exchange, [""])
    with kombu.Consumer(channel, [queue]):
        topic = channel.fanout._get_or_create_topic(prefix)
        sns = channel.fanout.get_client()
        assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1

    queue(channel).delete()

    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_fan_out_without_the_option_sends_nothing(connect, prefix, counts, transport):
    channel = connect(transport).channel()
    exchange = kombu.Exchange(prefix, type="fanout")
    queue, *_ = bound_queues(channel, prefix, exchange, [""])

    kombu.Producer(channel).publish("x", exchange=exchange)

    assert counts(queue.name) == (0, 0, 0)
