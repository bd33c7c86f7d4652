"""Delays beyond SQS's: real messages hop until they are due."""

import threading
import time

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.transport.sending import delays


@pytest.fixture
def short_delays(monkeypatch):
    """SQS's longest delay of 900 seconds shrunk to 2, so that a test sees hops."""
    monkeypatch.setattr(delays, "MAX_DELAY", 2)
    monkeypatch.setattr("django_sqs_kombu.registration.outgoing.MAX_DELAY", 2)


@pytest.fixture
def consume():
    started = []

    def consume(receivers, **options):
        consumer = ReceiverConsumer(receivers, **options)
        thread = threading.Thread(target=consumer.run)
        thread.start()
        started.append((consumer, thread))

    yield consume
    for consumer, thread in started:
        consumer.stop()
        thread.join(20)


def test_a_long_delay_hops_and_is_received_once_when_it_is_due(
    short_delays, receivers, consume, server, prefix, eventually, counts
):
    received = []
    receivers.register("later", lambda message: received.append((time.time(), message)))
    sent = time.time()

    receivers.send("later", body="x", delay=5)
    receivers.send("later", body="soon")
    consume(receivers)
    eventually(lambda: len(received) == 2, timeout=20)
    eventually(lambda: counts(f"{prefix}__later") == (0, 0, 0))

    at, message = received[1]
    assert message.get_body() == "x"
    assert 4.4 <= at - sent < 10
    # A hop is a new message: its receive count is that of its tries.
    assert message.attributes["ApproximateReceiveCount"] == "1"
    # The two that were sent, and at least one hop.
    assert server.count("SendMessage", f"{prefix}__later") >= 3


def test_hops_keep_attributes_and_do_not_count_as_received(
    short_delays, receivers, sqs, prefix, eventually
):
    received = []
    receivers.register("later", received.append, wire_format="raw")
    receivers.send("later", body="first", delay=5)
    url = sqs.get_queue_url(QueueName=f"{prefix}__later")["QueueUrl"]
    sqs.send_message(
        QueueUrl=url,
        MessageBody="b3du",
        MessageAttributes={
            "mine": {"DataType": "String", "StringValue": "kept"},
            delays.DUE: {"DataType": "Number", "StringValue": str(time.time() + 3)},
        },
    )

    ReceiverConsumer(receivers, message_limit=2).run()

    assert [message.get_body() for message in received] == ["own", "first"]
    assert received[0].message_attributes["mine"]["StringValue"] == "kept"


def test_a_hop_that_fails_leaves_the_message(
    short_delays, receivers, consume, server, prefix, counts, eventually
):
    receivers.register("later", lambda message: None, visibility_timeout=30)
    name = f"{prefix}__later"
    receivers.send("later", body="x", delay=600)
    sent = server.count("SendMessage", name)
    with server.refusing("SendMessage", name):
        consume(receivers)
        eventually(lambda: server.count("SendMessage", name) > sent)
        eventually(lambda: counts(name) == (0, 1, 0))


@pytest.mark.parametrize("value", ["", "soon", "nan", "1e999", None])
def test_an_odd_due_time_is_no_reason_to_wait(value, receivers, sqs, prefix):
    received = []
    receivers.register("later", received.append, wire_format="raw")
    url = sqs.create_queue(QueueName=f"{prefix}__later")["QueueUrl"]
    attributes = {"other": {"DataType": "String", "StringValue": "x"}}
    if value:
        attributes[delays.DUE] = {"DataType": "String", "StringValue": value}
    sqs.send_message(QueueUrl=url, MessageBody="b3du", MessageAttributes=attributes)

    ReceiverConsumer(receivers, message_limit=1).run()

    assert len(received) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"eta": "2026-01-01T00:00:00+00:00"}, 1767225600.0),
        ({"eta": "2026-01-01T01:00:00+01:00"}, 1767225600.0),
        ({"eta": "2026-01-01T00:00:00"}, 1767225600.0),
        ({"eta": None}, None),
        ({"eta": "soon"}, None),
        ({}, None),
    ],
)
def test_celerys_eta_is_read(headers, expected):
    assert delays.celery_eta(headers) == expected


def test_a_fifo_queue_takes_no_delay(receivers, counts, prefix, caplog):
    receivers.register("later.fifo")

    receivers.send("later.fifo", body="x", delay=5_000)

    assert counts(f"{prefix}__later.fifo") == (1, 0, 0)
    assert "takes no delay" in caplog.text
