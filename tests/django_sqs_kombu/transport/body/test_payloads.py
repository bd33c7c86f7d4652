"""Payloads above SQS's limit, in the format of Amazon's Extended Client libraries."""

import json
import os
import re
import subprocess
import sys
import uuid

import pytest
from botocore.exceptions import ClientError

from django_sqs_kombu import (
    MessageDecodeError,
    MessageEncodeError,
    MessageTooLarge,
    PayloadUnavailable,
    RawMessage,
    ReceiverConsumer,
    RestartLater,
)
from django_sqs_kombu.transport.body.payloads import LargePayloads

LARGE = "x" * (1024 * 1024 + 1)


@pytest.mark.parametrize("send_many", [False, True])
def test_a_large_payload_goes_to_s3_and_is_deleted_with_its_message(large, keys, counts, send_many):
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()))
    if send_many:
        large.send_many("orders", [LARGE, "small"])
    else:
        large.send("orders", body=LARGE)
        large.send("orders", body="small")
    assert len(keys()) == 1

    ReceiverConsumer(large, message_limit=2).run()

    assert sorted(seen, key=len) == ["small", LARGE]
    assert keys() == []
    assert counts(large.get("orders").full_name()) == (0, 0, 0)


def test_it_is_written_as_the_extended_clients_read_it(large, sqs, s3, prefix):
    queue = large.register("orders", print, wire_format="raw")
    large.send("orders", body=LARGE)

    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    name, place = json.loads(message["Body"])
    assert name == "software.amazon.payloadoffloading.PayloadS3Pointer"
    assert set(place) == {"s3BucketName", "s3Key"}
    stored = s3.get_object(Bucket=place["s3BucketName"], Key=place["s3Key"])["Body"].read()
    size = message["MessageAttributes"]["ExtendedPayloadSize"]
    assert size["DataType"] == "Number"
    assert int(size["StringValue"]) == len(stored) > 1024 * 1024


# In a process of its own, since importing the library replaces boto3's Session.
EXTENDED_CLIENT = """
import sys
import boto3
import sqs_extended_client

action, queue, bucket, legacy = sys.argv[1:]
sqs = boto3.client("sqs")
sqs.large_payload_support = bucket
sqs.always_through_s3 = True
sqs.delete_payload_from_s3 = True
sqs.use_legacy_attribute = legacy == "legacy"
url = sqs.create_queue(QueueName=queue)["QueueUrl"]
if action == "send":
    sqs.send_message(QueueUrl=url, MessageBody="their text", MessageAttributes={})
else:
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    print(len(message["Body"]))
"""


@pytest.fixture
def extended_client(server, prefix):
    """Amazon's Extended Client for Python."""
    env = {
        **os.environ,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
    }

    def run(action, queue, legacy="new"):
        command = [sys.executable, "-c", EXTENDED_CLIENT, action, queue, prefix, legacy]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("legacy", ["new", "legacy"])
def test_what_amazons_client_sends_is_read(large, extended_client, keys, legacy):
    queue = large.register("orders", lambda message: message.get_body(), message_class=RawMessage)
    extended_client("send", queue.full_name(), legacy)
    assert len(keys()) == 1

    assert queue.receive_single()[1] == "their text"

    assert keys() == []


def test_amazons_client_reads_what_is_sent(large, extended_client, keys):
    queue = large.register("orders", message_class=RawMessage, wire_format="raw")
    large.send("orders", body=LARGE)

    assert extended_client("receive", queue.full_name()) == str(len(LARGE))
    assert keys() == []


@pytest.mark.parametrize(
    ("pointer_class", "attribute"),
    [
        ("software.amazon.payloadoffloading.PayloadS3Pointer", "ExtendedPayloadSize"),
        ("software.amazon.payloadoffloading.PayloadS3Pointer", "SQSLargePayloadSize"),
        ("com.amazon.sqs.javamessaging.MessageS3Pointer", "SQSLargePayloadSize"),
    ],
)
def test_what_the_extended_clients_wrote_is_read(large, sqs, s3, prefix, pointer_class, attribute):
    queue = large.register("orders", lambda message: message.get_body())
    key = str(uuid.uuid4())
    s3.put_object(Bucket=prefix, Key=key, Body=b"dGhlaXIgdGV4dA==")
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    sqs.send_message(
        QueueUrl=url,
        MessageBody=json.dumps([pointer_class, {"s3BucketName": prefix, "s3Key": key}]),
        MessageAttributes={attribute: {"DataType": "Number", "StringValue": "16"}},
    )

    assert queue.receive_single()[1] == "their text"


def test_an_object_that_is_gone_is_a_decode_error_of_that_message_alone(
    large, s3, prefix, keys, counts, caplog
):
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()))
    large.send("orders", body=LARGE)
    s3.delete_object(Bucket=prefix, Key=keys()[0])
    large.send("orders", body="small")

    ReceiverConsumer(large, message_limit=2).run()

    assert seen == ["small"]
    assert "it does not exist any more" in caplog.text
    assert counts(large.get("orders").full_name()) == (0, 0, 0)


def test_an_object_that_cannot_be_read_now_is_tried_again(large, caplog, counts, monkeypatch):
    large.register("orders", print)
    large.send("orders", body=LARGE)
    consumer = ReceiverConsumer(large, message_limit=1)
    consumer.connection.transport_options = {
        **consumer.connection.transport_options,
        "s3_endpoint_url": "http://127.0.0.1:9",
    }
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    consumer.run()

    assert "is tried again later" in caplog.text
    assert sum(counts(large.get("orders").full_name())) == 1


@pytest.fixture
def send_pointer(large, sqs):
    """Send a message that names an object, as anybody may who may write to the queue."""

    def send_pointer(queue, bucket, key):
        url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
        place = {"s3BucketName": bucket, "s3Key": key}
        sqs.send_message(
            QueueUrl=url,
            MessageBody=json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", place]),
            MessageAttributes={
                "ExtendedPayloadSize": {"DataType": "Number", "StringValue": "16"},
            },
        )

    return send_pointer


def test_a_pointer_to_another_bucket_is_not_followed(large, send_pointer, caplog):
    queue = large.register("orders", print)
    send_pointer(queue, "somebody-elses", str(uuid.uuid4()))

    ReceiverConsumer(large, message_limit=1).run()

    assert "'somebody-elses', not in" in caplog.text


ID = "148994ca-a32d-4111-b6b0-e88cffa11d99"
OTHERS_KEYS = [
    "backups/db.sql",
    "django-sqs/db.sql",
    "django-sqs/../backups/db.sql",
    f"backups/{ID}",
    f"django-sqs/django-sqs/{ID}",
    f"{ID}.bak",
]


@pytest.mark.parametrize("key", OTHERS_KEYS)
def test_only_objects_of_our_form_are_read_or_deleted(
    large, s3, prefix, keys, caplog, counts, send_pointer, key
):
    seen = []
    queue = large.register("orders", seen.append)
    s3.put_object(Bucket=prefix, Key=key, Body=b"dGhlaXJz")
    [there] = keys()
    send_pointer(queue, prefix, key)

    ReceiverConsumer(large, message_limit=1).run()

    assert seen == []
    assert keys() == [there]
    assert "is neither 'django-sqs/' and a UUID" in caplog.text
    assert counts(queue.full_name()) == (0, 0, 0)


def test_nor_by_whoever_deletes_messages_unread(large, s3, prefix, keys):
    payloads = large.channel().payloads
    for key in ("backups/db.sql", ours := f"django-sqs/{uuid.uuid4()}"):
        s3.put_object(Bucket=prefix, Key=key, Body=b"x")
        place = {"s3BucketName": prefix, "s3Key": key}
        body = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", place])
        payloads.delete(
            {"MessageId": "1", "Body": body, "MessageAttributes": {"ExtendedPayloadSize": {}}}
        )

    assert ours not in keys()
    assert keys() == ["backups/db.sql"]


def test_payloads_live_under_a_prefix(large, keys):
    large.register("orders", print)
    large.send("orders", body=LARGE)

    [key] = keys()
    assert re.fullmatch(r"django-sqs/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key)


def test_the_prefix_can_be_chosen(large_with, keys):
    large = large_with(large_payload_prefix="shop/")
    queue = large.register("orders", lambda message: message.get_body())
    large.send("orders", body=LARGE)

    assert keys()[0].startswith("shop/")
    assert queue.receive_single()[1] == LARGE
    assert keys() == []


class Client:
    """S3's answer, of which nothing may be read that is too large."""

    def __init__(self, size):
        self.size = size
        self.closed = False

    def get_object(self, **kwargs):
        return {"ContentLength": self.size, "Body": self}

    def close(self):
        self.closed = True


def test_a_key_forges_no_line_of_the_log(caplog):
    payloads = LargePayloads("bucket", lambda: None)
    place = {"s3BucketName": "bucket", "s3Key": f"{ID}\nERROR forged" + "x" * 100_000}
    message = {
        "MessageId": "1\nERROR forged",
        "Body": json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", place]),
        "MessageAttributes": {"ExtendedPayloadSize": {}},
    }

    with pytest.raises(MessageDecodeError, match="neither") as raised:
        payloads.body(message)
    payloads.delete(message)

    for text in (str(raised.value), caplog.messages[-1]):
        assert text.isprintable()
        assert len(text) < 1_000


@pytest.mark.parametrize("size", [17, 5 * 1024**4])
def test_a_payload_that_is_too_large_is_not_read(size):
    client = Client(size)
    payloads = LargePayloads("bucket", lambda: client, max_bytes=16)
    place = {"s3BucketName": "bucket", "s3Key": str(uuid.uuid4())}
    message = {
        "Body": json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", place]),
        "MessageAttributes": {"ExtendedPayloadSize": {}},
    }

    with pytest.raises(MessageDecodeError, match="more than the 16 that are read"):
        payloads.body(message)
    assert client.closed


@pytest.mark.parametrize(
    ("text", "allow"),
    [
        ("Access Denied", "allow s3:GetObject, and s3:ListBucket"),
        ("is not authorized to perform: kms:Decrypt on resource: a-key", "allow kms:Decrypt"),
    ],
)
def test_what_is_denied_says_what_to_allow(text, allow):
    class Denying:
        def get_object(self, **kwargs):
            error = {"Code": "AccessDenied", "Message": text}
            raise ClientError({"Error": error}, "GetObject")

    payloads = LargePayloads("bucket", Denying)
    place = {"s3BucketName": "bucket", "s3Key": str(uuid.uuid4())}
    message = {
        "Body": json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", place]),
        "MessageAttributes": {"ExtendedPayloadSize": {}},
    }

    with pytest.raises(PayloadUnavailable) as raised:
        payloads.body(message)
    assert f"({allow}" in str(raised.value)
    assert str(raised.value).count("allow ") == 1


def test_what_no_receiver_reads_is_refused_by_the_sender(large_with, keys):
    large = large_with(large_payload_max_bytes=len(LARGE))
    large.register("orders", print)

    with pytest.raises(MessageEncodeError, match="large_payload_max_bytes"):
        large.send("orders", body=LARGE + "x" * 1_000)
    assert keys() == []


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "[]",
        '["a", "b"]',
        '{"a": 1, "b": 2}',
        '["a", {"s3Key": 1}]',
        "5",
        "",
        "[1, 2]",
    ],
)
def test_what_is_no_pointer_is_a_body(body):
    payloads = LargePayloads("bucket", lambda: None)
    message = {"Body": body, "MessageAttributes": {"ExtendedPayloadSize": {}}}

    assert payloads.body(message) == body


def test_restarted_after_its_deletion_it_is_sent_anew(large, keys):
    seen = []

    def restart_once(message):
        seen.append(len(message.get_body()))
        if len(seen) == 1:
            raise RestartLater(delay=0)

    large.register("orders", restart_once, delete_on_start=True)
    large.send("orders", body=LARGE)

    ReceiverConsumer(large, message_limit=2).run()

    assert seen == [len(LARGE), len(LARGE)]
    assert keys() == []


def test_without_a_bucket_it_is_an_error_before_any_request(receivers, server):
    queue = receivers.register("orders")

    with pytest.raises(MessageTooLarge, match="SQS_LARGE_PAYLOAD_BUCKET"):
        receivers.send("orders", body=LARGE)
    assert server.count("SendMessage", queue.full_name()) == 0
