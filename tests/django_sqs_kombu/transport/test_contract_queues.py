"""Kombu's queues: declared, deleted, and replies that leave nothing behind."""

import json

import kombu
import pytest
from celery import Celery

TRANSPORTS = ["kombu's", "ours"]


@pytest.fixture
def names(sqs, prefix):
    """The queues in SQS whose names begin with this test's prefix."""
    return lambda: {
        url.rsplit("/", 1)[-1]
        for url in sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("with_prefix", [False, True])
def test_a_bound_queue_is_deleted_and_can_be_declared_again(
    connect, prefix, names, transport, with_prefix
):
    options = {"queue_name_prefix": f"{prefix}-"} if with_prefix else {}
    name = "orders" if with_prefix else f"{prefix}-orders"
    connection = connect(transport, **options)
    queue = kombu.Queue(name, kombu.Exchange(prefix), routing_key=name)
    bound = queue(connection.channel())
    bound.declare()
    assert names() == {f"{prefix}-orders"}

    bound.delete()
    assert names() == set()

    if transport == "ours" or not with_prefix:
        # Kombu's keeps the URL of a queue whose name has a prefix.
        bound.declare()
        assert names() == {f"{prefix}-orders"}


@pytest.mark.parametrize("declared", [True, False])
def test_a_queue_is_deleted_whoever_declared_it(connect, sqs, prefix, names, declared):
    exchange = kombu.Exchange(prefix) if declared else None
    sqs.create_queue(QueueName=prefix)
    if declared:
        kombu.Queue(prefix, exchange, routing_key=prefix)(connect().channel()).declare()

    kombu.Queue(prefix, exchange)(connect().channel()).delete()

    assert names() == set()


def test_a_queue_of_the_default_exchange_is_deleted(connect, prefix, names):
    bound = kombu.Queue(prefix)(connect().channel())
    bound.declare()

    bound.delete()

    assert names() == set()


@pytest.mark.parametrize("state", ["hidden", "delayed"])
def test_a_queue_whose_messages_nobody_sees_now_is_not_empty(connect, sqs, prefix, names, state):
    channel = connect().channel()
    exchange = kombu.Exchange(prefix)
    bound = kombu.Queue(prefix, exchange, routing_key=prefix)(channel)
    bound.declare()
    url = sqs.get_queue_url(QueueName=prefix)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=60 * (state == "delayed"))
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)

    bound.delete(if_empty=True)
    exchange(channel).delete()

    assert names() == {prefix}


def test_what_was_acknowledged_does_not_keep_its_queue(connect, prefix, names):
    channel = connect(ack_linger=0.5).channel()
    bound = kombu.Queue(prefix)(channel)
    bound.declare()
    kombu.Producer(channel).publish("x", routing_key=prefix)
    bound.get().ack()

    bound.delete(if_empty=True)

    assert names() == set()


def test_deleting_a_queue_that_is_gone_is_no_error(connect, sqs, prefix, names):
    channel = connect().channel()
    bound = kombu.Queue(prefix, kombu.Exchange(prefix), routing_key=prefix)(channel)
    bound.declare()
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=prefix)["QueueUrl"])

    bound.delete()

    assert names() == set()


def test_a_predefined_queue_is_not_deleted(connect, sqs, prefix, names):
    url = sqs.create_queue(QueueName=prefix)["QueueUrl"]
    channel = connect(predefined_queues={prefix: {"url": url}}).channel()
    bound = kombu.Queue(prefix, kombu.Exchange(prefix), routing_key=prefix)(channel)
    bound.declare()

    bound.delete()

    assert names() == {prefix}


def test_a_queue_with_messages_is_kept_where_only_an_empty_one_is_to_go(connect, prefix, names):
    channel = connect().channel()
    exchange = kombu.Exchange(prefix)
    bound = kombu.Queue(prefix, exchange, routing_key=prefix)(channel)
    bound.declare()
    kombu.Producer(channel).publish("x", exchange=exchange, routing_key=prefix)

    bound.delete(if_empty=True)
    assert names() == {prefix}

    bound.purge()
    bound.delete(if_empty=True)
    assert names() == set()


def test_deleting_an_exchange_deletes_its_empty_queues(connect, prefix, names):
    channel = connect().channel()
    exchange = kombu.Exchange(prefix)(channel)
    for number in range(2):
        kombu.Queue(f"{prefix}-{number}", exchange, routing_key=str(number))(channel).declare()

    exchange.delete()

    assert names() == set()


def test_what_was_acknowledged_does_not_bring_a_deleted_queue_back(connect, prefix, names, caplog):
    connection = connect(ack_linger=0.5)
    channel = connection.channel()
    exchange = kombu.Exchange(prefix)
    bound = kombu.Queue(prefix, exchange, routing_key=prefix)(channel)
    bound.declare()
    kombu.Producer(channel).publish("x", exchange=exchange, routing_key=prefix)
    with kombu.Consumer(channel, [bound], callbacks=[lambda body, message: message.ack()]):
        connection.drain_events(timeout=10)

    bound.delete()
    connection.release()

    assert names() == set()
    # Nor is it said that the message may come again.
    assert "could not be settled" not in caplog.text


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("command", ["ping", "inspect"])
def test_commands_to_celery_workers_find_none_and_leave_no_reply_queue(
    connect, server, prefix, names, transport, command
):
    address = server.url.removeprefix("http://")
    app = Celery(prefix, broker=f"sqs://testing:testing-secret@{address}")
    app.conf.broker_transport_options = {
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": 0,
        "queue_name_prefix": f"{prefix}-",
    }
    if transport == "ours":
        app.conf.broker_transport = "django_sqs_kombu.transport:Transport"

    if command == "ping":
        answer = app.control.ping(timeout=0.5)
    else:
        answer = app.control.inspect(timeout=0.5).active()
    app.close()

    assert not answer
    assert names() == set()


def test_a_message_that_no_dead_letter_queue_takes_is_told(receivers, server, sqs, caplog):
    """As where the dead-letter queue was deleted: SQS then hands it out again and again."""
    name = f"{receivers.prefix}__orders"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    policy = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:1:{name}-dead", "maxReceiveCount": 1}
    attributes = {
        "QueueArn": f"arn:aws:sqs:us-east-1:1:{name}",
        "VisibilityTimeout": "1",
        "RedrivePolicy": json.dumps(policy),
    }
    server.answers["GetQueueAttributes", name] = {"Attributes": attributes}
    sqs.send_message(QueueUrl=url, MessageBody="x")

    with receivers.new_connection() as connection:
        channel = connection.channel()
        for _ in range(2):
            while (message := channel.basic_get(name)) is None:
                pass
            assert "its dead-letter queue" not in caplog.text
            message.reject()

    assert f"its dead-letter queue {name}-dead exists" in caplog.text
    del server.answers["GetQueueAttributes", name]
