"""S3 or the disk fails while a large message is on its way: nothing is lost."""

import io
import logging

import pytest

from django_sqs_kombu import BigMessage, MessageEncodeError, ReceiverConsumer

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
def break_s3(server, s3, prefix):
    """Make S3 answer with errors from now on, until ``server.broken_bucket`` is None."""

    def break_s3():
        server.broken_bucket = prefix

    yield break_s3
    server.broken_bucket = None


@pytest.fixture
def big(s3, server):
    class LocalBigMessage(BigMessage):
        s3_options = {"endpoint_url": server.url, **OPTIONS}  # noqa: RUF012

    return LocalBigMessage


def test_a_payload_that_cannot_be_written_is_an_error_and_nothing_is_sent(
    large, server, sqs, break_s3
):
    queue = large.register("orders")
    large.send("orders", body="small")
    sent = server.count("SendMessage", queue.full_name())
    break_s3()

    with pytest.raises(MessageEncodeError, match="cannot be written to bucket"):
        large.send("orders", body=LARGE)

    assert server.count("SendMessage", queue.full_name()) == sent


def test_a_payload_that_cannot_be_read_now_is_read_later(large, server, caplog, break_s3):
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()))
    large.send("orders", body=LARGE)
    break_s3()
    ReceiverConsumer(large, message_limit=1).run()
    assert seen == []
    assert "is tried again later" in caplog.text

    server.broken_bucket = None
    ReceiverConsumer(large, message_limit=1).run()

    assert seen == [LARGE]


def test_an_object_that_cannot_be_deleted_is_logged_and_its_message_done(
    large, server, counts, caplog, break_s3, keys, eventually
):
    def receive(message):
        break_s3()

    queue = large.register("orders", receive)
    large.send("orders", body=LARGE)

    ReceiverConsumer(large, message_limit=1).run()

    assert counts(queue.full_name()) == (0, 0, 0)
    # The message does not wait for S3.
    eventually(lambda: "which is done, was not deleted" in caplog.text)
    server.broken_bucket = None
    assert len(keys()) == 1


@pytest.mark.parametrize("delete_on_start", [False, True])
def test_a_big_message_that_cannot_be_read_now_is_read_later(
    receivers, big, server, caplog, delete_on_start, break_s3, prefix
):
    seen = []
    receivers.register(
        "big",
        lambda message: seen.append(message.get_body()),
        message_class=big,
        delete_on_start=delete_on_start,
    )
    receivers.send("big", big(body=b"much", s3_url=f"s3://{prefix}"))
    break_s3()
    ReceiverConsumer(receivers, message_limit=1).run()
    assert seen == []
    assert "is tried again later: BigMessage cannot read s3://" in caplog.text

    server.broken_bucket = None
    ReceiverConsumer(receivers, message_limit=1).run()

    assert seen == [b"much"]


def test_a_big_message_whose_object_cannot_be_deleted_is_done_once(
    receivers, big, counts, caplog, break_s3, prefix
):
    runs = []

    def receive(message):
        runs.append(message.id)
        break_s3()

    queue = receivers.register("big", receive, message_class=big)
    receivers.send("big", big(body=b"much", s3_url=f"s3://{prefix}"))

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


def test_a_file_that_cannot_be_read_is_an_error_and_nothing_is_sent(
    receivers, big, server, keys, prefix
):
    queue = receivers.register("big", message_class=big)

    with pytest.raises(MessageEncodeError, match="Input/output error"):
        receivers.send("big", big(body=BrokenFile(), s3_url=f"s3://{prefix}"))

    assert server.count("SendMessage", queue.full_name()) == 0
    assert keys() == []


def test_an_outage_of_s3_does_not_hold_up_small_messages(large, caplog, break_s3):
    caplog.set_level(logging.ERROR)
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()))
    large.send("orders", body=LARGE)
    break_s3()
    large.send_many("orders", map(str, range(5)))

    ReceiverConsumer(large, message_limit=6).run()

    assert sorted(seen) == list("01234")
