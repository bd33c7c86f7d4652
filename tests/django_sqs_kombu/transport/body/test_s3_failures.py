"""S3 or the disk fails while a large message is on its way: nothing is lost."""

import io
import json
import logging

import pytest

from django_sqs_kombu import (
    BigMessage,
    Failure,
    MessageDecodeError,
    MessageEncodeError,
    PayloadUnavailable,
    ReceiverConsumer,
    Retry,
)
from django_sqs_kombu.transport import consuming_channel

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


@pytest.mark.parametrize(
    "options",
    [{}, {"dead_letter_queue": "dead"}, {"retry": Retry()}],
    ids=["plain", "dead", "retry"],
)
def test_a_payload_that_cannot_be_read_now_is_read_later(
    large, server, caplog, break_s3, keys, options
):
    """Where it is sent again, its payload does not go with the received message."""
    seen = []
    large.register("orders", lambda message: seen.append(message.get_body()), **options)
    large.send("orders", body=LARGE)
    stored = keys()
    break_s3()
    ReceiverConsumer(large, message_limit=1).run()
    assert seen == []
    assert "is tried again later" in caplog.text
    assert "was not deleted" not in caplog.text

    server.broken_bucket = None
    assert keys() == stored
    ReceiverConsumer(large, message_limit=1).run()

    assert seen == [LARGE]


@pytest.mark.parametrize(
    ("options", "runs"),
    [({}, 1), ({"retry": Retry(tries=3, backoff=0)}, 2)],
    ids=["redrive policy", "retry"],
)
def test_an_outage_of_s3_brings_no_message_closer_to_the_dead_letters(
    large_with, server, start, eventually, break_s3, keys, counts, caplog, options, runs
):
    seen = []

    def receive(message):
        seen.append(message.get_body())
        if "retry" in options and len(seen) < 2:
            raise ZeroDivisionError("one of its three tries")

    large = large_with(backoff_base=0)
    queue = large.register("orders", receive, dead_letter_queue="dead", max_receives=3, **options)
    large.send("orders", body=LARGE)
    break_s3()
    start(large)
    eventually(lambda: caplog.text.count("is tried again later: The payload") >= 4)
    assert seen == []
    server.broken_bucket = None

    eventually(lambda: seen == [LARGE] * runs)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert sum(counts(queue.full_dead_letter_name)) == 0
    eventually(lambda: keys() == [])


def test_a_receiver_that_asks_the_wrong_s3_for_its_bucket_loses_no_payload(
    large, sqs, s3, caplog, prefix, counts
):
    """The bucket is the receiver's own: that it is not there is no fault of a message."""
    queue = large.register("orders", print)
    large.send("orders", body="small")
    pointer = {"s3BucketName": prefix, "s3Key": "3d6df7a1-3fbd-4f7b-8f0b-0d0a2b1c8a11"}
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"],
        MessageBody=json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]),
        MessageAttributes={
            "ExtendedPayloadSize": {"DataType": "Number", "StringValue": "16"},
        },
    )
    s3.delete_bucket(Bucket=prefix)

    ReceiverConsumer(large, message_limit=2).run()

    assert sum(counts(queue.full_name())) == 1
    assert "NoSuchBucket" in caplog.text


@pytest.mark.parametrize("buckets", [None, ["a-bucket-of-ours"]])
def test_only_a_bucket_that_the_message_alone_names_may_be_gone(big, buckets):
    big.buckets = buckets
    error = MessageDecodeError if buckets is None else PayloadUnavailable
    with pytest.raises(error):
        big().decode("s3://a-bucket-of-ours/key")


def test_a_payload_that_is_not_read_outlives_its_dead_letter(large_with, counts, keys):
    seen = []
    large = large_with(large_payload_max_bytes=2_000_000)
    small = large_with(large_payload_max_bytes=1_000_000)
    small.register("orders", seen.append, dead_letter=Exception, dead_letter_queue="dead")
    large.register("orders", dead_letter_queue="dead").send(body=LARGE)
    ReceiverConsumer(small, message_limit=1).run()

    assert seen == []
    assert len(keys()) == 1


def test_it_does_so_where_sqs_has_no_redrive_policy_and_says_why_it_failed(
    large_with, sqs, keys, counts, prefix
):
    """The queue is older than its registration."""
    sqs.create_queue(QueueName=f"{prefix}__orders")
    seen = []
    large = large_with(large_payload_max_bytes=2_000_000)
    small = large_with(large_payload_max_bytes=1_000_000)
    small.register("orders", seen.append, dead_letter=Exception, dead_letter_queue="dead")
    large.register("orders").send(body=LARGE)

    ReceiverConsumer(small, message_limit=1).run()

    assert seen == []
    assert counts(f"{prefix}__orders") == (0, 0, 0)
    dead = large.register("dead", lambda message: seen.append(message))
    ReceiverConsumer(large, [dead], message_limit=1).run()
    [letter] = seen
    assert letter.get_body() == LARGE
    assert "more than the 1,000,000" in Failure.read(letter.message_attributes).text
    assert keys() == []
    assert counts(dead.full_name()) == (0, 0, 0)


def test_a_payload_that_nobody_has_read_outlives_its_message(large_with, counts, keys):
    """With neither dead letters nor its object nothing were left of it."""
    large = large_with(large_payload_max_bytes=2_000_000)
    small = large_with(large_payload_max_bytes=1_000_000)
    queue = small.register("orders", print)
    large.register("orders").send(body=LARGE)
    ReceiverConsumer(small, message_limit=1).run()

    assert counts(queue.full_name()) == (0, 0, 0)
    assert len(keys()) == 1


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
    eventually(lambda: "was not deleted, although the message is done" in caplog.text)
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


def test_an_s3_that_hangs_holds_up_neither_small_messages_nor_a_stop(
    fragile, proxy, s3, start, eventually, counts
):
    seen = []
    queue = fragile.register("orders", lambda message: seen.append(message.get_body()))
    for _ in range(3):
        fragile.send("orders", body=LARGE)
    fragile.send_many("orders", map(str, range(6)))
    proxy.set("hung", "S3 GET")

    consumer, running = start(fragile, threads=10)
    # Three times as long as S3 is waited for, were it one after the other.
    eventually(lambda: len(seen) == 6, timeout=12)
    consumer.stop()
    running.join(12)

    assert not running.is_alive()
    fragile.close()
    assert counts(queue.full_name()) == (3, 0, 0)


def test_a_payload_that_takes_longer_to_read_than_its_lease_waits_is_received(
    fragile, proxy, s3, start, eventually, counts
):
    """It was given back while it was read, since it waited, and each time read from the start."""
    seen = []
    queue = fragile.register(
        "orders", lambda message: seen.append(message.get_body()), visibility_timeout=4
    )
    for _ in range(2):
        fragile.send("orders", body=LARGE)
    proxy.set("stalled", "S3 GET", late=3)

    start(fragile)

    eventually(lambda: seen == [LARGE] * 2, timeout=30)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))


def test_payloads_that_a_close_leaves_in_s3_are_logged(
    fragile, proxy, s3, start, eventually, counts, caplog
):
    queue = fragile.register("orders", lambda message: None)
    fragile.send("orders", body=LARGE)
    proxy.set("hung", "S3 DELETE")

    consumer, running = start(fragile)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    consumer.stop()
    running.join(15)

    assert "1 payload(s) in S3 of messages that are done were not deleted" in caplog.text


def test_a_payload_that_is_denied_says_what_to_allow_and_is_read_later(
    fragile, proxy, s3, counts, caplog
):
    queue = fragile.register("orders", print)
    fragile.send("orders", body=LARGE)
    proxy.set("S3 denied", "S3 GET")

    ReceiverConsumer(fragile, message_limit=1).run()

    assert "allow s3:GetObject, and s3:ListBucket" in caplog.text
    assert "is tried again later" in caplog.text
    assert sum(counts(queue.full_name())) == 1


@pytest.mark.parametrize("options", [{}, {"dead_letter_queue": "dead"}], ids=["plain", "dead"])
def test_a_payload_for_which_there_is_no_memory_ends_no_consumer_and_is_received_later(
    large, monkeypatch, keys, options
):
    seen, read = [], consuming_channel.read_body

    def read_body(text):
        if len(text) > len(LARGE):
            raise MemoryError
        return read(text)

    large.register("orders", lambda message: seen.append(message.get_body()), **options)
    large.send("orders", body=LARGE)
    large.send("orders", body="small")
    with monkeypatch.context() as short:
        short.setattr(consuming_channel, "read_body", read_body)
        ReceiverConsumer(large, message_limit=2).run()
    assert seen == ["small"]
    assert len(keys()) == 1

    ReceiverConsumer(large, message_limit=1).run()

    assert seen == ["small", LARGE]
