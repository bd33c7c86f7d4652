"""The helpers for tests, without Django and without SQS."""

import pytest

from django_sqs_kombu import (
    Continue,
    EnvironmentFailure,
    JSONMessage,
    MessageDecodeError,
    MessageTargetMissing,
    Receivers,
    RestartLater,
    UnknownQueue,
)
from django_sqs_kombu.testing import captured, eager, received_message


@pytest.fixture
def offline():
    """A registry that could reach no server."""
    return Receivers(
        "sqs-batch://", transport_options={"endpoint_url": "http://127.0.0.1:9"}, prefix="p"
    )


def test_what_is_sent_is_kept(offline):
    offline.register("orders", message_class=JSONMessage, suffixes=["big"])
    offline.register("other")
    with captured(offline) as sent:
        offline.send("orders", body={"a": 1}, suffix="big", delay=5, attributes={"mine": "x"})
        assert offline.send_many("other", ["b", "c"], delay=1) == 2

    first = sent[0]
    assert (first.queue_name, first.queue.name) == ("orders", "p__orders__big")
    assert (first.body, first.delay, first.attributes) == ({"a": 1}, 5, {"mine": "x"})
    assert [each.body for each in sent.to("other")] == ["b", "c"]


def test_nothing_is_said_of_what_was_sent_to_a_queue_that_nobody_registered(offline):
    offline.register("orders")
    with captured(offline) as sent:
        assert sent.to("orders") == []
        with pytest.raises(UnknownQueue, match=r"Did you mean 'orders'\?"):
            sent.to("ordrs")
        offline.send("orders", body="x")
    # As where a test registered it for itself.
    del offline.queues["orders"]

    assert [each.body for each in sent.to("orders")] == ["x"]


def test_keeping_ends_even_with_an_error(offline):
    with pytest.raises(KeyError), captured(offline):
        raise KeyError

    assert offline.outlet is None


def test_eagerly_received(offline):
    seen = []
    offline.register("orders", lambda message: seen.append(message.get_body()))
    offline.register("nowhere")
    with eager(offline):
        offline.send("orders", body="x")
        offline.send_many("orders", ["y", "z"])
        offline.send("nowhere", body="x")

    assert seen == ["x", "y", "z"]


def test_eagerly_restarted(offline):
    counts = []

    def receive(message):
        counts.append(message.attributes["ApproximateReceiveCount"])
        if len(counts) < 3:
            raise RestartLater(delay=60)

    offline.register("orders", receive)
    with eager(offline):
        offline.send("orders", body="x")

    assert counts == ["1", "2", "3"]


def test_a_message_that_is_retried_eagerly_keeps_its_ids(offline):
    seen = []

    def receive(message):
        seen.append((message.id, message.attributes["MessageDeduplicationId"]))
        if len(seen) < 3:
            raise RestartLater

    offline.register("orders.fifo", receive)
    with eager(offline):
        offline.send("orders.fifo", body="x", group_id="g", deduplication_id="d")

    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_errors_reach_the_test(offline):
    def fail(message):
        raise KeyError("mine")

    def restart(message):
        raise RestartLater

    offline.register("failing", fail)
    offline.register("restarting", restart)
    with eager(offline):
        with pytest.raises(KeyError, match="mine"):
            offline.send("failing", body="x")
        with pytest.raises(RestartLater):
            offline.send("restarting", body="x")


def test_a_made_up_message(offline):
    queue = offline.register("orders", message_class=JSONMessage)

    message = received_message(
        queue, body={"a": 1}, receive_count=3, attributes={"mine": "x"}, group_id="g"
    )

    assert message["a"] == 1
    assert message.id
    assert message.queue.name == "p__orders"
    assert message.attributes["ApproximateReceiveCount"] == "3"
    assert message.attributes["MessageGroupId"] == "g"
    assert message.message_attributes["mine"]["StringValue"] == "x"
    message.change_visibility(5)
    message.delete()


def test_a_made_up_message_is_written_and_read(offline):
    class Broken(JSONMessage):
        def decode(self, value):
            raise ValueError("unreadable")

    queue = offline.register("orders", message_class=Broken)

    with pytest.raises(MessageDecodeError, match="unreadable"):
        received_message(queue, body={})


@pytest.mark.parametrize(
    ("failure", "runs"),
    [
        (MessageTargetMissing("no row"), 5),
        (ConnectionResetError("the database is away"), 3),
        (EnvironmentFailure("S3 is away"), 10),
        (ValueError("its fault"), 1),
    ],
)
def test_eagerly_the_same_table_decides(failure, runs):
    receivers = Receivers("sqs-batch://", retry_on=[ConnectionError], retry_tries=2)
    ran = []

    def fail(message):
        ran.append(message.get_body())
        raise failure

    receivers.register("orders", fail)
    with eager(receivers), pytest.raises(type(failure)):
        receivers.send("orders", body="x")

    assert len(ran) == runs


def test_eagerly_a_message_may_be_deleted_on_start(offline):
    seen = []
    offline.register("orders", seen.append, delete_on_start=True)

    with eager(offline):
        offline.send("orders", body="x")

    assert [message.get_body() for message in seen] == ["x"]


def test_eagerly_what_goes_on_goes_on_at_once(offline):
    found = []

    def receive(message):
        found.append(message.cursor)
        if (message.cursor or 0) < 25:
            raise Continue((message.cursor or 0) + 1)

    queue = offline.register("long", receive)
    with eager(offline):
        queue.send(body="x")

    assert found == [None, *range(1, 26)]
