"""How messages are received by Kombu's own means: basic_get, no_ack, SimpleQueue, scripts."""

import gc
import json
import subprocess
import sys
import time
from contextlib import suppress
from queue import Empty

import kombu
import pytest

from django_sqs_kombu.transport.holding.leases import Leases

from ...processes import ROOT

TRANSPORTS = ["kombu's", "ours"]


@pytest.fixture
def fill(sqs, prefix):
    """Make this test's queue with messages that kombu's SimpleQueue reads."""

    def fill(count, **attributes):
        url = sqs.create_queue(QueueName=prefix, Attributes=attributes)["QueueUrl"]
        for number in range(count):
            envelope = {
                "body": json.dumps(number),
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {},
                "properties": {"delivery_info": {"exchange": "", "routing_key": prefix}},
            }
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(envelope))
        return url

    return fill


def drain(connection, queue, count, timeout=15, **consumer):
    """The messages of *queue*, acknowledged unless nobody is to."""
    messages = []

    def take(body, message):
        messages.append(message)
        if not consumer.get("no_ack"):
            message.ack()

    with kombu.Consumer(connection, [kombu.Queue(queue)], callbacks=[take], **consumer):
        deadline = time.monotonic() + timeout
        while len(messages) < count and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue
    return messages


def test_a_message_got_without_acknowledgement_is_deleted(
    connect, fill, prefix, counts, eventually
):
    fill(1, VisibilityTimeout="2")
    channel = connect().channel()

    assert channel.basic_get(prefix, no_ack=True).payload == 0

    eventually(lambda: counts(prefix) == (0, 0, 0))
    time.sleep(2.5)
    assert channel.basic_get(prefix, no_ack=True) is None


def test_a_message_that_waited_too_long_is_left_to_whoever_has_it_now(
    connect, fill, prefix, sqs, monkeypatch, caplog
):
    caplog.set_level("INFO", "django_sqs_kombu")
    # As where no renewal reaches SQS.
    monkeypatch.setattr(Leases, "due", lambda self, now: ([], []))
    url = fill(20, VisibilityTimeout="4")
    ours, others = [], []

    def take(body, message):
        ours.append(body)
        # By then so many are quickly done that more are received ahead.
        if len(ours) == 9:
            time.sleep(4.5)
            for other in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]:
                others.append(json.loads(json.loads(other["Body"])["body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=other["ReceiptHandle"])
        message.ack()

    connection = connect()
    with kombu.Consumer(connection, [kombu.Queue(prefix)], callbacks=[take]):
        deadline = time.monotonic() + 20
        while len(ours) + len(others) < 21 and time.monotonic() < deadline:
            with suppress(TimeoutError):
                connection.drain_events(timeout=1)

    # One had been started.
    assert sorted([*ours, *others]) == sorted([*range(20), ours[8]])
    assert "(receive 1) waited longer than its visibility timeout" in caplog.text


def test_a_message_that_is_got_is_held_until_it_is_acknowledged(
    connect, fill, prefix, counts, eventually
):
    fill(1, VisibilityTimeout="2")
    message = connect().channel().basic_get(prefix)
    time.sleep(3)
    assert counts(prefix) == (0, 1, 0)

    message.ack()

    eventually(lambda: counts(prefix) == (0, 0, 0))


def test_consumers_that_acknowledge_nothing_leave_nothing(
    connect, fill, prefix, counts, eventually
):
    # Kombu's own needs an event loop for that.
    fill(3)

    messages = drain(connect(), prefix, 3, no_ack=True)

    assert sorted(message.payload for message in messages) == [0, 1, 2]
    eventually(lambda: counts(prefix) == (0, 0, 0))


def test_a_consumer_without_acknowledgement_gets_payloads_that_are_kept_in_s3(
    connect, server, s3, prefix, keys, eventually
):
    connection = connect(large_payload_bucket=prefix, s3_endpoint_url=server.url)
    producer = kombu.Producer(connection)
    for number in range(3):
        producer.publish([number, "x" * 1_100_000], routing_key=prefix, declare=[])

    messages = drain(connection, prefix, 3, no_ack=True)

    assert sorted(message.payload[0] for message in messages) == [0, 1, 2]
    eventually(lambda: keys() == [])


def test_what_a_delivery_says_of_itself_is_json(connect, sqs, prefix, fill, counts, eventually):
    url = fill(1)
    attributes = {
        "text": {"DataType": "String", "StringValue": "x"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\xff"},
    }
    sqs.send_message(QueueUrl=url, MessageBody="foreign", MessageAttributes=attributes)

    for message in drain(connect(), prefix, 2):
        json.dumps(message.delivery_info)
        json.dumps(message.properties)
        json.dumps(message.serializable())
        assert message.delivery_info["sqs_message"]["MessageId"] == message.message_id
        assert message.delivery_info["sqs_queue"] == url


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_message_can_be_published_again_with_its_properties(
    transport, connect, fill, prefix, eventually
):
    fill(1)
    connection = connect(transport)
    (message,) = drain(connection, prefix, 1)

    # As celery and its extensions do it: the old tag and delivery are written over.
    kombu.Producer(connection).publish(
        message.payload, routing_key=f"{prefix}-2", headers=message.headers, **message.properties
    )

    (again,) = drain(connection, f"{prefix}-2", 1)
    assert again.payload == message.payload
    assert again.delivery_info["routing_key"] == f"{prefix}-2"
    assert again.delivery_tag != message.delivery_tag


def test_so_can_one_whose_body_was_compressed(connect, prefix):
    """Its header goes when it is unpacked; with Kombu's transport nobody could read it then."""
    connection = connect()
    producer = kombu.Producer(connection)
    producer.publish({"n": 1}, routing_key=prefix, compression="gzip")
    (message,) = drain(connection, prefix, 1)

    producer.publish(message.payload, routing_key=f"{prefix}-2", headers=message.headers)

    (again,) = drain(connection, f"{prefix}-2", 1)
    assert again.payload == {"n": 1}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_simple_queue_puts_gets_counts_and_clears(transport, connect, prefix, eventually):
    connection = connect(transport)
    queue = connection.SimpleQueue(prefix)
    for number in range(3):
        queue.put({"n": number})

    message = queue.get(timeout=10)
    assert message.payload["n"] in range(3)
    message.ack()
    queue.close()

    again = connection.SimpleQueue(prefix)
    eventually(lambda: again.qsize() <= 2)
    again.clear()
    with pytest.raises(Empty):
        again.get(timeout=1)
    again.close()


@pytest.mark.slow
@pytest.mark.parametrize("forget", ["keep it", "drop it"])
def test_a_simple_queue_that_nobody_reads_any_more_takes_nothing(
    forget, connect, sqs, prefix, fill, counts
):
    dead = sqs.create_queue(QueueName=f"{prefix}-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": _arn(sqs, dead), "maxReceiveCount": 2}
    url = fill(0, VisibilityTimeout="1", RedrivePolicy=json.dumps(policy))
    connection = connect()
    queue = connection.SimpleQueue(prefix)
    with pytest.raises(Empty):
        queue.get(timeout=1)
    if forget == "drop it":
        del queue
        gc.collect()
    time.sleep(3)

    for number in range(5):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    time.sleep(5)

    assert counts(prefix) == (5, 0, 0)
    assert counts(f"{prefix}-dead") == (0, 0, 0)
    assert len(drain(connect(), prefix, 5)) == 5


@pytest.mark.slow
def test_after_a_drain_that_timed_out_nothing_is_taken(connect, sqs, prefix, fill, counts):
    url = fill(0, VisibilityTimeout="1")
    connection = connect()
    with kombu.Consumer(connection, [kombu.Queue(prefix)], callbacks=[lambda *args: None]):
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=1)
        time.sleep(3)
        for number in range(5):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))
        time.sleep(3)

        assert counts(prefix) == (5, 0, 0)


SCRIPT = """
import sys, kombu
url, name, transport, how = sys.argv[1:]
options = {"region": "us-east-1", "is_secure": False, "wait_time_seconds": 1}
connection = kombu.Connection(url, transport=transport or None, transport_options=options)
if how == "simple":
    message = connection.SimpleQueue(name).get(timeout=20)
else:
    got = []
    consumer = kombu.Consumer(
        connection, [kombu.Queue(name)], callbacks=[lambda body, message: got.append(message)]
    )
    consumer.consume()
    while not got:
        connection.drain_events(timeout=20)
    message = got[0]
message.ack()
"""


@pytest.mark.parametrize("how", ["simple", "consumer"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_script_that_ends_without_closing_strands_few_messages(
    transport, how, server, prefix, fill, counts, eventually
):
    fill(30, VisibilityTimeout="300")
    url = f"sqs://testing:testing-secret@{server.url.removeprefix('http://')}"
    name = "django_sqs_kombu.transport:Transport" if transport == "ours" else ""
    started = time.monotonic()

    subprocess.run(
        [sys.executable, "-c", SCRIPT, url, prefix, name, how], cwd=ROOT, check=True, timeout=60
    )

    visible, in_flight, _ = counts(prefix)
    assert visible + in_flight == 29
    assert in_flight <= (0 if transport == "ours" else 9)
    assert time.monotonic() - started < 30


CANCELS = """
import sys, kombu
url, name, transport = sys.argv[1:]
options = {"region": "us-east-1", "is_secure": False, "wait_time_seconds": 10}
connection = kombu.Connection(url, transport=transport, transport_options=options)
got = []
with connection.Consumer([kombu.Queue(name)], on_message=got.append):
    connection.drain_events(timeout=20)
    try:
        # A poll is under way from here on.
        connection.drain_events(timeout=0.5)
    except TimeoutError:
        pass
"""


def test_a_script_that_ends_while_a_poll_of_a_cancelled_consumer_is_under_way_strands_none(
    server, prefix, fill, counts
):
    fill(1, VisibilityTimeout="300")
    url = f"sqs://testing:testing-secret@{server.url.removeprefix('http://')}"
    command = [sys.executable, "-c", CANCELS, url, prefix, "django_sqs_kombu.transport:Transport"]

    subprocess.run(command, cwd=ROOT, check=True, timeout=60)

    assert counts(prefix) == (1, 0, 0)


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"wait_time_seconds": 0, "polling_interval": 0.5}, 9),
        ({"wait_time_seconds": 0, "polling_interval": 2}, 4),
        # Kombu's polling_interval is one second, where none is given.
        ({"wait_time_seconds": 0}, 6),
    ],
)
def test_an_empty_queue_is_polled_no_more_often_than_the_interval_says(
    options, most, connect, sqs, prefix, fill, server
):
    url = fill(0)
    connection = connect(**options)
    if "polling_interval" not in options:
        del connection.transport_options["polling_interval"]
    with kombu.Consumer(connection, [kombu.Queue(prefix)], callbacks=[]) as consumer:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                continue
        assert 1 <= server.count("ReceiveMessage", prefix) <= most

        got = []
        consumer.register_callback(lambda body, message: got.append(message.ack()))
        sqs.send_message(QueueUrl=url, MessageBody="x")
        connection.drain_events(timeout=10)
        assert got


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_message_that_is_requeued_comes_again(transport, connect, fill, prefix):
    fill(1)
    connection = connect(transport, wait_time_seconds=0, backoff_base=1)
    received = []

    def requeue_once(body, message):
        received.append(body)
        message.requeue() if len(received) == 1 else message.ack()

    with kombu.Consumer(connection, [kombu.Queue(prefix)], callbacks=[requeue_once]):
        deadline = time.monotonic() + 15
        while len(received) < 2 and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue

    assert received == [0, 0]


def _arn(sqs, url):
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
