"""Payloads in S3 that are sent again, among others of a group, or to one who knows no S3."""

import pytest

from django_sqs_kombu import BatchFailed, BigMessage, ReceiverConsumer, RestartLater, SendManyFailed

LARGE = "x" * (1024 * 1024 + 1)
NINE = {f"a{number}": "x" for number in range(9)}
OPTIONS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing-secret",
}


@pytest.fixture
def restart_once():
    seen = []

    def restart_once(message):
        seen.append((message.get_body(), len(message.message_attributes)))
        if len(seen) == 1:
            raise RestartLater(delay=0)

    restart_once.seen = seen
    return restart_once


def test_restarted_after_its_deletion_it_is_not_lost_for_its_nine_attributes(
    large, keys, start, eventually, restart_once
):
    """The tenth says that its payload is in S3."""
    large.register("orders", restart_once, delete_on_start=True)
    large.send("orders", body=LARGE, attributes=NINE)

    start(large)
    eventually(lambda: len(restart_once.seen) == 2, timeout=10)

    assert restart_once.seen == [(LARGE, 10), (LARGE, 10)]
    eventually(lambda: keys() == [])


def test_with_nine_attributes_it_stays_and_writes_no_second_payload(
    large, keys, start, eventually, restart_once, caplog, server
):
    queue = large.register("orders", restart_once, dead_letter_queue="dead")
    large.send("orders", body=LARGE, attributes=NINE)
    written = keys()
    kept = []

    def receive(message):
        kept.append(keys())
        restart_once(message)

    queue.receiver = receive
    start(large)
    eventually(lambda: len(restart_once.seen) == 2)

    assert kept == [written, written]
    assert "a payload in S3 needs one" in caplog.text
    eventually(lambda: keys() == [])


@pytest.fixture
def break_s3(server, s3, prefix, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def break_s3():
        server.broken_bucket = prefix

    yield break_s3
    server.broken_bucket = None


@pytest.mark.parametrize("group", ["a", None])
def test_what_follows_in_a_group_does_not_overtake_a_payload_that_s3_did_not_take(
    large, server, break_s3, group
):
    seen = []
    large.register("orders.fifo", lambda message: seen.append(message.get_body()))
    large.send("orders.fifo", body="0", group_id=group)
    break_s3()
    with pytest.raises(SendManyFailed) as caught:
        large.send_many("orders.fifo", ["1", LARGE, "2", LARGE, "3"], group_id=group)
    server.broken_bucket = None

    assert caught.value.sent == 1
    first, *others = caught.value.failures
    assert [failure.number for failure in (first, *others)] == [1, 2, 3, 4]
    assert "cannot be written to bucket" in str(first.error)
    assert "an earlier message of its group" in str(others[0].error)
    ReceiverConsumer(large, message_limit=2).run()
    assert seen == ["0", "1"]


def test_other_groups_go_on(large, server, break_s3):
    seen = []
    large.register("orders.fifo", lambda message: seen.append(message.get_body()))
    large.send("orders.fifo", body="a0", group_id="a")
    break_s3()
    bodies = ["b1", LARGE, "a1", "b2"]
    with pytest.raises(SendManyFailed) as caught:
        large.send_many("orders.fifo", bodies, group_id=["b", "a", "a", "b"])
    server.broken_bucket = None

    assert [failure.number for failure in caught.value.failures] == [1, 2]
    ReceiverConsumer(large, message_limit=3).run()
    assert sorted(seen) == ["a0", "b1", "b2"]


def test_the_same_is_true_of_a_batch(large, server, break_s3):
    seen = []
    queue = large.register("orders.fifo", lambda message: seen.append(message.get_body()))
    large.send("orders.fifo", body="0")
    break_s3()

    def send():
        with large.batch():
            for body in ("1", LARGE, "2"):
                queue.send(body=body)

    with pytest.raises(BatchFailed) as caught:
        send()
    assert [failure.number for failure in caught.value.failures] == [1, 2]
    server.broken_bucket = None

    ReceiverConsumer(large, message_limit=2).run()
    assert seen == ["0", "1"]


def test_and_of_big_messages(receivers, server, s3, break_s3, prefix, counts):
    class LocalBigMessage(BigMessage):
        s3_options = {"endpoint_url": server.url, **OPTIONS}  # noqa: RUF012

    queue = receivers.register("big.fifo", message_class=LocalBigMessage)
    there = LocalBigMessage(s3_url=f"s3://{prefix}/there")
    queue.send(there)
    break_s3()
    new = LocalBigMessage(body=b"new", s3_url=f"s3://{prefix}")
    with pytest.raises(SendManyFailed) as caught:
        queue.send_many([new, there])

    assert [failure.number for failure in caught.value.failures] == [0, 1]
    assert sum(counts(queue.full_name())) == 1


@pytest.mark.parametrize("options", [{}, {"dead_letter_queue": "dead"}], ids=["plain", "dead"])
def test_a_receiver_that_has_no_bucket_leaves_large_messages_to_those_who_have(
    large, receivers, keys, caplog, options
):
    """It had been given the pointer for a body, and both were lost."""
    seen, wrong = [], []
    receivers.register("orders", lambda message: wrong.append(message.get_body()), **options)
    large.register("orders", lambda message: seen.append(message.get_body()), **options)
    large.send("orders", body=LARGE)

    ReceiverConsumer(receivers, message_limit=1).run()
    assert wrong == []
    assert "no bucket for large payloads is set here (SQS_LARGE_PAYLOAD_BUCKET" in caplog.text
    assert "is tried again later" in caplog.text

    ReceiverConsumer(large, message_limit=1).run()
    assert seen == [LARGE]
    assert keys() == []
