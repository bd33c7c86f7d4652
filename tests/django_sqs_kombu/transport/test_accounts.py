"""Whose SQS a connection speaks to, as Kombu's users set it and meet it."""

import json

import kombu
import pytest
from kombu.transport import SQS

from django_sqs_kombu import (
    QueueNotPredefined,
    ReceiverConsumer,
    RequestFailed,
    SendManyFailed,
)

OURS = "django_sqs_kombu.transport:Transport"


@pytest.fixture
def connect(transport_options):
    opened = []

    def connect(**options):
        connection = kombu.Connection(
            transport=OURS,
            userid="testing",
            password="testing-secret",
            transport_options={**transport_options, "wait_time_seconds": 1, **options},
        )
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def test_the_channels_of_a_connection_share_clients_and_urls(connect):
    connection, another = connect(), connect()
    first, second = connection.channel(), connection.channel()

    assert first.sqs() is second.sqs()
    assert first._queue_cache is second._queue_cache
    assert another.channel().sqs() is not first.sqs()


@pytest.mark.parametrize("given", ["orders", "p-orders"])
def test_a_predefined_queue_is_used_with_a_prefix(connect, sqs, prefix, given):
    url = sqs.create_queue(QueueName=f"{prefix}__anything")["QueueUrl"]
    connection = connect(queue_name_prefix="p-", predefined_queues={given: {"url": url}})
    queue = kombu.Queue("orders")

    kombu.Producer(connection).publish("x", routing_key="orders", declare=[queue])
    message = queue(connection.default_channel).get()

    assert message.payload == "x"
    message.ack()


def test_a_queue_that_is_not_predefined_is_an_error_of_kombus_and_of_ours(connect):
    connection = connect(predefined_queues={"orders": {"url": "http://127.0.0.1:9/orders"}})

    with pytest.raises(QueueNotPredefined) as caught:
        kombu.Producer(connection).publish("x", routing_key="others")

    assert isinstance(caught.value, SQS.UndefinedQueueException)


@pytest.mark.parametrize(
    "chosen",
    [
        ["SenderId"],
        {"MessageSystemAttributeNames": ["SenderId"], "MessageAttributeNames": ["colour"]},
        {"MessageAttributeNames": ["colour"]},
    ],
)
def test_what_the_library_needs_is_fetched_whatever_is_chosen(connect, chosen):
    channel = connect(fetch_message_attributes=chosen).channel()

    fetched = channel.get_message_attributes

    assert {"MessageGroupId", "ApproximateReceiveCount", "SentTimestamp"} <= set(
        fetched["MessageSystemAttributeNames"]
    )
    assert "django_sqs.*" in fetched["MessageAttributeNames"]


def test_all_is_written_as_sqs_documents_it(connect):
    fetched = connect(fetch_message_attributes=["ALL"]).channel().get_message_attributes

    assert fetched["MessageSystemAttributeNames"] == ["All"]


def test_the_clients_of_a_fan_out_renew_the_credentials_of_their_role(connect, server):
    channel = connect(
        sts_role_arn="arn:aws:iam::123456789012:role/worker", sts_endpoint_url=server.url
    ).channel()

    client = channel._new_boto_client("sns", "us-east-1", "ASSUMED", "s", "t")

    credentials = client._request_signer._credentials
    assert credentials.method == "assume-role"
    assert credentials.get_frozen_credentials().access_key != "ASSUMED"


def test_without_the_permission_to_ask_for_attributes_messages_are_received(
    receivers, sqs, server, prefix, counts
):
    dead = sqs.create_queue(QueueName=f"{prefix}__dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": "1"}
    name = f"{prefix}__orders"
    sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
    ran = []
    receivers.register("orders", lambda message: ran.append(message.get_body()))
    receivers.send_many("orders", ["a", "b", "c"])

    with server.refusing("GetQueueAttributes", name):
        ReceiverConsumer(receivers, message_limit=3).run()

    assert sorted(ran) == ["a", "b", "c"]
    assert counts(name) == counts(f"{prefix}__dead") == (0, 0, 0)


def test_a_send_that_is_answered_by_nothing_is_no_success(receivers, server):
    name = receivers.register("orders").full_name()
    receivers.send("orders", body="the queue is made")
    for operation in ("SendMessage", "SendMessageBatch"):
        server.answers[operation, name] = {}

    with pytest.raises(RequestFailed) as caught:
        receivers.send("orders", body="x")
    with pytest.raises(SendManyFailed) as many:
        receivers.send_many("orders", map(str, range(8)))

    assert caught.value.passing
    assert many.value.sent == 0


def test_a_delete_that_is_answered_by_nothing_is_tried_again(receivers, server, counts, eventually):
    name = receivers.register("orders", print, visibility_timeout=60).full_name()
    receivers.send("orders", body="x")
    connection = receivers.new_connection()
    message = kombu.Queue(name)(connection.default_channel).get()
    server.answers["DeleteMessageBatch", name] = {}

    message.ack()

    eventually(lambda: server.count("DeleteMessageBatch", name))
    assert counts(name) == (0, 1, 0)
    del server.answers["DeleteMessageBatch", name]
    eventually(lambda: counts(name) == (0, 0, 0))
    connection.close()
