"""The transport as a plain kombu user sees it, and beside kombu's own."""

import contextlib
import json
import time

import kombu
import pytest
from kombu.transport import SQS

from django_sqs_kombu import (
    AccessDenied,
    ConfigurationError,
    CredentialsMissing,
    EndpointUnreachable,
    MessageEncodeError,
    MessageTooLarge,
    QueueDoesNotExist,
    RequestFailed,
)
from django_sqs_kombu.transport.receiving.consumption import Consumption
from django_sqs_kombu.transport.settling.keeper import Keeper
from django_sqs_kombu.transport.sqs import requests as asking

OURS = "django_sqs_kombu.transport:Transport"


@pytest.fixture
def connect(transport_options):
    opened = []

    def connect(transport=OURS, **options):
        options = {**transport_options, "wait_time_seconds": 1, **options}
        if transport == "sqs":
            host, port = options.pop("endpoint_url").removeprefix("http://").split(":")
            address = {"hostname": host, "port": int(port)}
            options["is_secure"] = False
        else:
            address = {}
        connection = kombu.Connection(
            transport=transport,
            userid="testing",
            password="testing-secret",
            transport_options=options,
            **address,
        )
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def queue(prefix):
    return kombu.Queue(f"{prefix}__orders")


def publish(connection, queue, body, **kwargs):
    kombu.Producer(connection).publish(body, routing_key=queue.name, declare=[queue], **kwargs)


def consume(connection, queue, count=1, **kwargs):
    received = []

    def receive(body, message):
        received.append((body, message))
        message.ack()

    with kombu.Consumer(connection, [queue], callbacks=[receive], **kwargs):
        deadline = time.monotonic() + 15
        while len(received) < count and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue
    flush(connection)
    return received


def flush(connection):
    # Kombu's own settles at once.
    if hasattr(connection.default_channel, "flush"):
        assert connection.default_channel.flush(10)


@pytest.mark.parametrize("sender", [OURS, "sqs"])
@pytest.mark.parametrize("receiver", [OURS, "sqs"])
@pytest.mark.parametrize("body", ["text", {"a": [1, "ż"]}, b"\xff\x00"])
def test_we_and_stock_kombu_read_each_other(connect, queue, sender, receiver, body, counts):
    publish(connect(sender), queue, body)

    received = consume(connect(receiver), queue, accept=["json", "text/plain"])

    assert [body for body, _ in received] == [body]
    assert counts(queue.name) == (0, 0, 0)


@pytest.mark.parametrize("scheme", ["sqs-batch://testing:testing-secret@"])
def test_the_url_scheme_names_our_transport(scheme):
    connection = kombu.Connection(scheme)

    assert type(connection.transport).__module__ == "django_sqs_kombu.transport.transport"
    assert "testing-secret" not in connection.as_uri()


@pytest.mark.parametrize(
    "body", ["plain text", "aGVsbG8=", '{"properties": 1}', "<xml/>", "5", "null", "[]"]
)
def test_foreign_bodies_arrive_as_they_are(connect, queue, body, sqs):
    url = sqs.create_queue(QueueName=queue.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body)

    [(received, message)] = consume(connect(), queue)

    assert received == body
    assert message.is_foreign


def test_raw_wire_format_puts_nothing_around_the_body(connect, prefix, sqs):
    queue = kombu.Queue(f"{prefix}__raw", queue_arguments={"x-wire-format": "raw"})

    publish(connect(), queue, "just this")

    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "just this"


@pytest.mark.parametrize("body", ["", "a\x00b", b"\xff\xfe"])
def test_raw_bodies_that_sqs_refuses_are_an_error_before_any_request(connect, prefix, body, server):
    queue = kombu.Queue(f"{prefix}__raw", queue_arguments={"x-wire-format": "raw"})

    with pytest.raises(MessageEncodeError, match="__raw"):
        publish(connect(), queue, body, content_type="text/plain", content_encoding="utf-8")

    assert server.count("SendMessage", queue.name) == 0


def test_small_payloads_stay_small_on_the_wire(connect, prefix, sqs):
    queue = kombu.Queue(f"{prefix}__q")
    publish(connect(), queue, "8 bytes!")

    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    body = sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    assert len(body) <= 250
    assert json.loads(body)["body"] == "8 bytes!"


def test_too_large_is_an_error_before_any_request(connect, queue, server):
    with pytest.raises(MessageTooLarge, match="1,048,576") as caught:
        publish(connect(), queue, "x" * (1024 * 1024))

    assert caught.value.size > caught.value.limit == 1024 * 1024
    assert server.count("SendMessage", queue.name) == 0


def test_queues_are_never_listed_and_their_url_is_asked_for_once(connect, queue, server):
    listed_before = server.count("ListQueues", "")
    connection = connect()
    for _ in range(3):
        publish(connection, queue, "x")
    consume(connection, queue, count=3)

    assert server.count("ListQueues", "") == listed_before
    assert server.count("GetQueueUrl", queue.name) == 1
    assert server.count("CreateQueue", queue.name) == 1


def test_queue_is_created_with_its_declared_attributes(connect, prefix, sqs):
    queue = kombu.Queue(
        f"{prefix}__declared.fifo",
        queue_arguments={"VisibilityTimeout": "77", "MessageRetentionPeriod": 600},
    )
    publish(connect(), queue, "x")

    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "77"
    assert attributes["MessageRetentionPeriod"] == "600"
    assert attributes["FifoQueue"] == "true"


def test_passive_declaration_tells_whether_a_queue_exists(connect, queue, sqs):
    channel = connect().default_channel
    with pytest.raises(channel.connection.channel_errors):
        channel.queue_declare(queue.name, passive=True)

    sqs.create_queue(QueueName=queue.name)

    assert channel.queue_declare(queue.name, passive=True).message_count == 0


def test_predefined_queues_are_used_and_no_others(connect, queue, sqs, server):
    url = sqs.create_queue(QueueName=queue.name)["QueueUrl"]
    connection = connect(predefined_queues={queue.name: {"url": url}})

    publish(connection, queue, "x")
    assert consume(connection, queue)[0][0] == "x"

    assert server.count("GetQueueUrl", queue.name) == 0
    with pytest.raises(SQS.UndefinedQueueException, match="predefined_queues"):
        publish(connection, kombu.Queue("another"), "x")


def test_purge_and_get(connect, queue):
    connection = connect()
    channel = connection.default_channel
    bound = queue(channel)
    publish(connection, queue, "x")

    message = bound.get()
    assert message.payload == "x"
    message.release()
    flush(connection)
    assert bound.purge() == 1
    assert bound.get() is None


@pytest.mark.parametrize(
    ("settle", "left"),
    [
        (lambda message: message.ack(), (0, 0, 0)),
        (lambda message: message.reject(), (0, 0, 0)),
        (lambda message: message.release(), (1, 0, 0)),
        (lambda message: message.requeue(), (0, 1, 0)),
        (lambda message: message.requeue(delay=0), (1, 0, 0)),
        (lambda message: message.abandon(), (0, 1, 0)),
    ],
    ids=["ack", "reject", "release", "requeue", "requeue now", "abandon"],
)
def test_settling(connect, queue, counts, settle, left):
    connection = connect()
    publish(connection, queue, "x")
    message = queue(connection.default_channel).get()

    settle(message)
    flush(connection)

    assert counts(queue.name) == left
    with pytest.raises(message.MessageStateError):
        message.requeue()


def test_requeue_without_a_delay_backs_off_from_the_receive_count(connect, queue, sqs, monkeypatch):
    connection = connect(backoff_base=10, backoff_max=25, backoff_jitter=False)
    channel = connection.default_channel
    hidden_for = []

    hide = channel.keeper.hide

    def note(held, seconds, **options):
        hidden_for.append(seconds)
        hide(held, 0, linger=False)

    monkeypatch.setattr(channel.keeper, "hide", note)
    publish(connection, queue, "x")
    for _ in range(4):
        queue(channel).get().requeue()
        flush(connection)

    assert hidden_for == [10, 20, 25, 25]


def test_rejected_message_is_left_where_the_queue_has_a_redrive_policy(connect, queue, sqs, counts):
    dead = sqs.create_queue(QueueName=f"{queue.name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": "1"})
    sqs.create_queue(QueueName=queue.name, Attributes={"RedrivePolicy": policy})
    connection = connect()
    publish(connection, queue, "x")

    queue(connection.default_channel).get().reject()

    assert counts(queue.name) == (0, 1, 0)


def test_a_redrive_policy_that_is_set_while_messages_are_received_is_heeded(
    connect, queue, sqs, counts, monkeypatch
):
    """Its absence is believed for a few seconds, here for none."""
    monkeypatch.setattr(asking, "FRESH", 0.0)
    connection = connect()
    publish(connection, queue, "before")
    queue(connection.default_channel).get().reject()
    flush(connection)
    assert counts(queue.name) == (0, 0, 0)
    dead = sqs.create_queue(QueueName=f"{queue.name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": "3"})
    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    publish(connection, queue, "after")

    queue(connection.default_channel).get().reject()
    flush(connection)

    assert counts(queue.name) == (0, 1, 0)


def test_rejected_message_is_left_where_the_policy_cannot_be_read(
    connect, queue, server, counts, caplog
):
    connection = connect()
    publish(connection, queue, "x")
    server.faults["GetQueueAttributes", queue.name] = (403, "AccessDenied")
    message = queue(connection.default_channel).get()

    message.reject()
    flush(connection)

    del server.faults["GetQueueAttributes", queue.name]
    assert counts(queue.name) == (0, 1, 0)
    assert "left in it" in caplog.text


def test_lost_lease_is_logged_and_does_no_harm(connect, queue, server, caplog):
    connection = connect()
    publish(connection, queue, "x")
    message = queue(connection.default_channel).get()
    server.failed_entries["DeleteMessageBatch", queue.name] = [
        [(0, "ReceiptHandleIsInvalid", True)]
    ]

    message.ack()
    flush(connection)

    assert "no longer held here" in caplog.text
    assert message.message_id in caplog.text


def test_closing_gives_back_what_is_held(connect, queue, counts):
    connection = connect()
    for number in range(3):
        publish(connection, queue, str(number))
    # With three places no poll is under way at the close.
    consumer = kombu.Consumer(
        connection, [queue], on_message=lambda message: None, prefetch_count=3
    )
    consumer.consume()
    connection.drain_events(timeout=5)

    connection.close()

    assert counts(queue.name) == (3, 0, 0)


def test_no_ack_deletes_on_delivery(connect, queue, counts):
    connection = connect()
    publish(connection, queue, "x")
    received = []
    with kombu.Consumer(connection, [queue], on_message=received.append, no_ack=True):
        connection.drain_events(timeout=5)
    flush(connection)

    assert len(received) == 1
    assert counts(queue.name) == (0, 0, 0)


@pytest.fixture
def long_poll(connect, queue, eventually, server):
    """A connection with a consumer whose poll of 20 seconds is under way."""
    connection = connect(wait_time_seconds=20)
    channel = connection.default_channel
    channel.consume(Consumption(queue.name, lasting=True))
    with kombu.Consumer(channel, [queue], on_message=print):
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=0.5)
        eventually(lambda: server.count("ReceiveMessage", queue.name))
        yield connection
        channel.stop_polling(break_off=True)


def test_a_long_poll_can_be_broken_off(long_poll):
    started = time.monotonic()

    long_poll.default_channel.stop_polling(break_off=True)
    long_poll.transport.finish_polling()

    assert time.monotonic() - started < 3


def test_a_close_stops_the_polls_of_all_channels_before_one_gives_back_what_another_would_take(
    connect, queue, monkeypatch
):
    connection = connect(break_off_polls=True)
    channels = [connection.channel(), connection.channel()]
    for channel in channels:
        kombu.Consumer(channel, [queue], on_message=print).consume()
    pollers = [channel.pollers[queue.name] for channel in channels]
    told, usual = [], Keeper.close

    def close(keeper, *args):
        told.append([poller.ending.told for poller in pollers])
        usual(keeper, *args)

    monkeypatch.setattr(Keeper, "close", close)
    connection.release()

    assert told == [[True, True]] * 2


def test_with_break_off_polls_a_close_waits_for_no_poll_of_a_cancelled_consumer(
    connect, queue, server, eventually
):
    connection = connect(wait_time_seconds=20, break_off_polls=True)
    channel = connection.default_channel
    channel.consume(Consumption(queue.name, lasting=True))
    with (
        kombu.Consumer(channel, [queue], on_message=print),
        contextlib.suppress(TimeoutError),
    ):
        connection.drain_events(timeout=0.2)
    eventually(lambda: server.count("ReceiveMessage", queue.name))
    started = time.monotonic()

    connection.release()

    assert time.monotonic() - started < 3


def test_a_long_poll_ends_by_itself_and_what_it_brings_is_given_back(
    long_poll, queue, counts, eventually
):
    long_poll.transport.stop_polling()
    publish(long_poll, queue, "x")
    started = time.monotonic()

    long_poll.transport.finish_polling()

    assert time.monotonic() - started < 5
    eventually(lambda: counts(queue.name) == (1, 0, 0))


@pytest.mark.slow
def test_an_empty_queue_does_not_delay_a_full_one(connect, prefix):
    connection = connect(wait_time_seconds=10)
    empty, full = kombu.Queue(f"{prefix}__empty"), kombu.Queue(f"{prefix}__full")
    received = []
    with kombu.Consumer(connection, [empty, full], on_message=received.append):
        time.sleep(0.5)
        started = time.monotonic()
        for number in range(5):
            publish(connection, full, str(number))
        while len(received) < 5:
            connection.drain_events(timeout=10)

    assert time.monotonic() - started < 5


def test_prefetch_bounds_what_is_held(connect, queue, counts, eventually):
    connection = connect()
    for number in range(5):
        publish(connection, queue, str(number))
    consumer = kombu.Consumer(
        connection, [queue], on_message=lambda message: None, prefetch_count=2
    )
    with consumer:
        connection.drain_events(timeout=5)
        connection.drain_events(timeout=5)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=1.5)
        assert counts(queue.name) == (3, 2, 0)


@pytest.mark.parametrize(
    ("operation", "code", "expected", "says"),
    [
        ("SendMessage", "AccessDenied", AccessDenied, "allow sqs:SendMessage on queue"),
        ("GetQueueUrl", "AccessDeniedException", AccessDenied, "allow sqs:GetQueueUrl"),
        ("SendMessage", "SignatureDoesNotMatch", AccessDenied, "refuses the credentials"),
        ("SendMessage", "QueueDoesNotExist", QueueDoesNotExist, "does not exist"),
        ("SendMessage", "InvalidMessageContents", RequestFailed, "InvalidMessageContents"),
    ],
)
def test_answers_of_sqs_become_clear_errors(
    connect, queue, server, operation, code, expected, says
):
    server.faults[operation, queue.name] = (400, code)

    with pytest.raises(expected, match=says) as caught:
        publish(connect(), queue, "x")

    del server.faults[operation, queue.name]
    assert caught.value.operation == operation
    assert caught.value.queue == queue.name
    assert queue.name in str(caught.value)


def test_a_missing_queue_that_may_not_be_created(connect, queue, server):
    with pytest.raises(QueueDoesNotExist, match="SQS_CREATE_QUEUES"):
        publish(connect(create_queues=False), queue, "x")

    assert server.count("CreateQueue", queue.name) == 0


def test_a_wrong_endpoint(connect, queue):
    connection = connect(
        endpoint_url="http://127.0.0.1:9", **{"client-config": {"retries": {"max_attempts": 0}}}
    )

    with pytest.raises(
        EndpointUnreachable, match=r"http://127\.0\.0\.1:9.*sqs_local.*SQS_ENDPOINT_URL"
    ):
        publish(connection, queue, "x")


def test_a_profile_that_boto3_does_not_have(transport_options, queue, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nope")

    connection = kombu.Connection(transport=OURS, transport_options=transport_options)
    with connection, pytest.raises(CredentialsMissing, match=r"\(nope\).*profile or role"):
        publish(connection, queue, "x")


def test_missing_credentials(transport_options, queue, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    connection = kombu.Connection(transport=OURS, transport_options=transport_options)
    with connection, pytest.raises(CredentialsMissing, match="AWS_ACCESS_KEY_ID"):
        publish(connection, queue, "x")


def test_delays(connect, queue, counts, caplog):
    connection = connect()
    publish(connection, queue, "later", delay_seconds=60)
    publish(connection, queue, "cut", DelaySeconds=100_000)
    publish(connection, queue, "now", delay_seconds="soon")

    assert counts(queue.name) == (1, 0, 2)
    assert "cut to 900 s" in caplog.text
    assert "'soon' is not a number" in caplog.text


def test_fifo_groups_and_message_attributes(connect, prefix, sqs):
    queue = kombu.Queue(f"{prefix}__orders.fifo")
    attributes = {"colour": {"DataType": "String", "StringValue": "red"}}
    publish(
        connect(),
        queue,
        "x",
        MessageGroupId="customer-1",
        MessageDeduplicationId="once",
        message_attributes=attributes,
    )

    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    [message] = sqs.receive_message(
        QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "customer-1"
    assert message["Attributes"]["MessageDeduplicationId"] == "once"
    assert message["MessageAttributes"]["colour"]["StringValue"] == "red"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backoff_base", "10"),
        ("backoff_max", None),
        ("wait_time_seconds", "10"),
        ("wait_time_seconds", 21),
        ("wait_time_seconds", -1),
        ("ack_linger", float("nan")),
        ("polling_interval", "x"),
        ("large_payload_max_bytes", 0),
    ],
)
def test_an_option_that_cannot_work_is_named_before_any_request(server, option, value):
    """Restarts failed, or every poll did, and the log had a TypeError or SQS's words."""
    options = {"endpoint_url": server.url, option: value}
    connection = kombu.Connection("sqs-batch://testing:testing-secret@", transport_options=options)

    with pytest.raises(ConfigurationError, match=f"^The transport option {option} must be .*, not"):
        connection.default_channel.close()
