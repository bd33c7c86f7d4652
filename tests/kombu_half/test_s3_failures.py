"""S3 or the disk fails while a large message is on its way: nothing is lost."""

import io
import logging
from types import SimpleNamespace

import boto3
import pytest

from django_sqs_kombu import (
    BigMessage,
    MessageEncodeError,
    ReceiverConsumer,
    Receivers,
)

LARGE = "x" * (1024 * 1024 + 1)
OPTIONS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing-secret",
}


@pytest.fixture(autouse=True)
def one_try(monkeypatch):
    """botocore's own tries would only make the tests longer."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def s3(server, prefix):
    """A bucket; ``server.broken_bucket`` makes S3 answer with errors."""
    client = boto3.client("s3", endpoint_url=server.url, **OPTIONS)
    client.create_bucket(Bucket=prefix)

    def keys():
        return [o["Key"] for o in client.list_objects_v2(Bucket=prefix).get("Contents", [])]

    s3 = SimpleNamespace(bucket=prefix, keys=keys, url=server.url)
    yield s3
    server.broken_bucket = None


@pytest.fixture
def large(s3, prefix, transport_options):
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        transport_options={
            **transport_options,
            "large_payload_bucket": s3.bucket,
            "s3_endpoint_url": s3.url,
        },
    )
    yield receivers
    receivers.close()


@pytest.fixture
def big(s3):
    class LocalBigMessage(BigMessage):
        s3_options = {"endpoint_url": s3.url, **OPTIONS}  # noqa: RUF012

    return LocalBigMessage


def test_a_payload_that_cannot_be_written_is_an_error_and_nothing_is_sent(large, s3, server, sqs):
    queue = large.register("orders")
    large.send("orders", body="small")
    sent = server.count("SendMessage", queue.full_name())
    server.broken_bucket = s3.bucket

    with pytest.raises(MessageEncodeError, match="cannot be written to bucket"):
        large.send("orders", body=LARGE)

    assert server.count("SendMessage", queue.full_name()) == sent


def test_a_payload_that_cannot_be_read_now_is_read_later(large, s3, server, caplog):
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()))
    large.send("orders", body=LARGE)
    server.broken_bucket = s3.bucket
    ReceiverConsumer(large, message_limit=1).run()
    assert seen == []
    assert "is tried again later" in caplog.text

    server.broken_bucket = None
    ReceiverConsumer(large, message_limit=1).run()

    assert seen == [LARGE]


def test_an_object_that_cannot_be_deleted_is_logged_and_its_message_done(
    large, s3, server, counts, caplog
):
    def receive(message):
        server.broken_bucket = s3.bucket

    queue = large.register("orders", receive)
    large.send("orders", body=LARGE)

    ReceiverConsumer(large, message_limit=1).run()

    assert counts(queue.full_name()) == (0, 0, 0)
    assert "which is done, was not deleted" in caplog.text
    server.broken_bucket = None
    assert len(s3.keys()) == 1


@pytest.mark.parametrize("delete_on_start", [False, True])
def test_a_big_message_that_cannot_be_read_now_is_read_later(
    receivers, big, s3, server, caplog, delete_on_start
):
    seen = []
    receivers.register(
        "big",
        lambda message: seen.append(message.get_body()),
        message_class=big,
        delete_on_start=delete_on_start,
    )
    receivers.send("big", big(body=b"much", s3_url=f"s3://{s3.bucket}"))
    server.broken_bucket = s3.bucket
    ReceiverConsumer(receivers, message_limit=1).run()
    assert seen == []
    assert "is tried again later: BigMessage cannot read s3://" in caplog.text

    server.broken_bucket = None
    ReceiverConsumer(receivers, message_limit=1).run()

    assert seen == [b"much"]


def test_a_big_message_whose_object_cannot_be_deleted_is_done_once(
    receivers, big, s3, server, counts, caplog
):
    runs = []

    def receive(message):
        runs.append(message.id)
        server.broken_bucket = s3.bucket

    queue = receivers.register("big", receive, message_class=big)
    receivers.send("big", big(body=b"much", s3_url=f"s3://{s3.bucket}"))

    ReceiverConsumer(receivers, message_limit=1).run()

    assert len(runs) == 1
    assert counts(queue.full_name()) == (0, 0, 0)
    assert "was not deleted" in caplog.text


class BrokenFile(io.RawIOBase):
    """A file on a disk that fails."""

    def readable(self):
        return True

    def readinto(self, buffer):
        raise OSError(5, "Input/output error")


def test_a_file_that_cannot_be_read_is_an_error_and_nothing_is_sent(receivers, big, s3, server):
    queue = receivers.register("big", message_class=big)

    with pytest.raises(MessageEncodeError, match="Input/output error"):
        receivers.send("big", big(body=BrokenFile(), s3_url=f"s3://{s3.bucket}"))

    assert server.count("SendMessage", queue.full_name()) == 0
    assert s3.keys() == []


def test_an_outage_of_s3_does_not_hold_up_small_messages(large, s3, server, caplog):
    caplog.set_level(logging.ERROR)
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()))
    large.send("orders", body=LARGE)
    server.broken_bucket = s3.bucket
    large.send_many("orders", map(str, range(5)))

    ReceiverConsumer(large, message_limit=6).run()

    assert sorted(seen) == list("01234")
