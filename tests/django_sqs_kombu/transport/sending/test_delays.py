"""Delays beyond SQS's: real messages hop until they are due."""

import threading
import time

import pytest

from django_sqs_kombu import (
    MessageEncodeError,
    ReceiverConsumer,
    RequestFailed,
    SendManyFailed,
)
from django_sqs_kombu.transport.body.payloads import LargePayloads
from django_sqs_kombu.transport.holding.table import HeldMessages
from django_sqs_kombu.transport.receiving.intake import Intake
from django_sqs_kombu.transport.sending import delays
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail
from django_sqs_kombu.transport.settling.keeper import Keeper
from django_sqs_kombu.transport.settling.objects import ObjectDeletions


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


@pytest.mark.slow
def test_a_long_delay_hops_and_is_received_once_when_it_is_due(
    short_delays, receivers, consume, server, prefix, eventually, counts
):
    received = []
    receivers.register("later", lambda message: received.append((time.time(), message)))
    sent = time.time()

    receivers.send("later", body="x", delay=8)
    receivers.send("later", body="soon")
    consume(receivers)
    eventually(lambda: len(received) == 2, timeout=40)
    eventually(lambda: counts(f"{prefix}__later") == (0, 0, 0))

    at, message = received[1]
    assert message.get_body() == "x"
    assert 7.4 <= at - sent < 40
    # A hop is a new message: its receive count is that of its tries.
    assert message.attributes["ApproximateReceiveCount"] == "1"
    # The two that were sent, and at least one hop.
    assert server.count("SendMessage", f"{prefix}__later") >= 3


@pytest.mark.slow
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
            TRAIL: Trail(due=time.time() + 3).attribute(),
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


@pytest.mark.parametrize("value", ["soon", '{"due": "soon"}', '{"due": 1e999}', None])
def test_an_odd_due_time_is_no_reason_to_wait(value, receivers, sqs, prefix):
    received = []
    receivers.register("later", received.append, wire_format="raw")
    url = sqs.create_queue(QueueName=f"{prefix}__later")["QueueUrl"]
    attributes = {"other": {"DataType": "String", "StringValue": "x"}}
    if value:
        attributes[TRAIL] = {"DataType": "String", "StringValue": value}
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


def test_a_fifo_queue_takes_no_delay_and_says_so_when_the_message_is_made(receivers):
    queue = receivers.register("later.fifo")

    with pytest.raises(MessageEncodeError, match="delay: a message to FIFO"):
        queue.prepare(None, body="x", delay=5)
    with pytest.raises(SendManyFailed, match="delay: a message to FIFO"):
        queue.send_many(["x"], delay=5)


def test_a_due_time_that_a_fifo_message_claims_does_not_block_its_group(receivers, sqs, prefix):
    received = []
    receivers.register("later.fifo", lambda m: received.append(m.get_body()), wire_format="raw")
    receivers.send("later.fifo", body="warm up")
    url = sqs.get_queue_url(QueueName=f"{prefix}__later.fifo")["QueueUrl"]
    sqs.send_message(
        QueueUrl=url,
        MessageBody="b3du",
        MessageGroupId="default",
        MessageDeduplicationId="1",
        MessageAttributes={TRAIL: Trail(due=time.time() + 3600).attribute()},
    )
    receivers.send("later.fifo", body="innocent")

    ReceiverConsumer(receivers, message_limit=3).run()

    assert received == ["warm up", "own", "innocent"]


def received_message(body="x", due=None, group=None, attributes=None, sent=None):
    trail = {} if due is None else {TRAIL: Trail(due=due).attribute()}
    stamp = time.time() if sent is None else sent
    return {
        "MessageId": body[:20],
        "ReceiptHandle": f"handle of {body[:20]}",
        "Body": body,
        "Attributes": {
            "SentTimestamp": str(int(stamp * 1000)),
            **({"MessageGroupId": group} if group else {}),
        },
        "MessageAttributes": {**(attributes or {}), **trail},
    }


def failure(code, **facts):
    return RequestFailed(f"{code}!", operation="X", queue="q", code=code, **facts)


class Requests:
    """Stands for SQS, whose answers are given."""

    def __init__(self, sends=(), deletes=()):
        self.sends, self.deletes = iter(sends), iter(deletes)
        self.sent, self.deleted, self.hidden = [], [], []

    def send_batch(self, queue, batch):
        self.sent.append(list(batch))
        return next(self.sends, [None] * len(batch))

    def begin_delete_batch(self, queue, messages, done):
        errors = next(self.deletes, [None] * len(messages))
        if not isinstance(errors, Exception):
            self.deleted += [m["Body"] for m, e in zip(messages, errors, strict=True) if e is None]
        done(errors)

    def begin_change_visibility_batch(self, queue, messages, seconds, done):
        self.hidden += [(m["Body"], s) for m, s in zip(messages, seconds, strict=True)]
        done([None] * len(messages))


def take_in(requests, messages):
    """Receive *messages*; return those that are for a consumer."""
    table, payloads = HeldMessages(), LargePayloads(None, lambda: None)
    keeper = Keeper(
        requests,
        table,
        ObjectDeletions(payloads),
        linger=0,
        stale=lambda held, now: False,
        give_back=lambda held: None,
    )
    held = Intake(requests, table, keeper, payloads).hold("q", messages, 60)
    assert keeper.flush(20)
    return [each.message for each in held]


def test_a_hop_needs_no_more_attributes_than_the_message_had():
    own = {str(number): {"DataType": "String", "StringValue": "x"} for number in range(9)}
    early = received_message(due=time.time() + 2000, attributes=own)
    requests = Requests()

    assert take_in(requests, [early]) == []

    [[hop]] = requests.sent
    assert len(hop["MessageAttributes"]) == 10
    trail = Trail.of(hop["MessageAttributes"])
    assert trail.id == "x"
    assert trail.due == pytest.approx(Trail.of(early["MessageAttributes"]).due, abs=1)
    assert trail.sent == pytest.approx(time.time(), abs=60)
    assert hop["DelaySeconds"] == 900


def test_the_last_hop_is_due_when_it_arrives():
    requests = Requests()

    take_in(requests, [received_message(due=time.time() + 100)])

    [[hop]] = requests.sent
    assert 90 <= hop["DelaySeconds"] <= 101
    assert Trail.of(hop["MessageAttributes"]).due is None


def test_a_hop_keeps_the_group_of_a_fair_queue():
    requests = Requests()

    take_in(requests, [received_message(due=time.time() + 9e3, group="tenant")])

    assert requests.sent[0][0]["MessageGroupId"] == "tenant"


def test_hops_of_large_messages_go_in_requests_that_sqs_takes():
    requests = Requests()
    early = [received_message(letter * 600_000, due=time.time() + 2000) for letter in "ab"]

    take_in(requests, early)

    assert [len(batch) for batch in requests.sent] == [1, 1]
    assert len(requests.deleted) == 2


def test_what_cannot_be_sent_on_is_hidden_until_it_is_due_and_its_neighbours_are_sent(caplog):
    refused = failure("InvalidMessageContents")
    requests = Requests(sends=[[refused, None, refused]])
    early = [
        received_message("a", due=time.time() + 2000),
        received_message("b", due=time.time() + 2000),
        received_message("c", due=time.time() + 1e6),
    ]

    take_in(requests, early)

    assert requests.deleted == ["b"]
    hidden = dict(requests.hidden)
    assert 1900 <= hidden["a"] <= 2001
    # SQS hides nothing for longer than 12 hours from the receive.
    assert hidden["c"] == delays.LONGEST_HIDING < 43_200
    assert "InvalidMessageContents!" in caplog.text


def test_a_delete_after_a_hop_is_tried_again_where_it_failed():
    away = failure("InternalError", passing=True)
    requests = Requests(deletes=[[None, away], away, [None]])
    early = [received_message(letter, due=time.time() + 2000) for letter in "ab"]

    take_in(requests, early)

    assert requests.deleted == ["a", "b"]


def test_a_message_that_comes_twice_after_all_is_told(caplog):
    requests = Requests(deletes=[failure("UnsupportedOperation")] * 9)

    take_in(requests, [received_message("a", due=time.time() + 2000)])

    assert "could not be settled, SQS may redeliver it" in caplog.text


def test_no_message_hops_for_longer_than_sqs_keeps_one():
    far = received_message(due=time.time() + 1e9)
    old = received_message(due=time.time() + 1e9, sent=time.time() - 1_209_600)

    assert delays.seconds_until_due("q", far) == pytest.approx(1_209_600, abs=60)
    assert delays.seconds_until_due("q", old) == 0


def test_a_delay_needs_an_attribute_and_that_is_found_when_the_message_is_made(receivers):
    queue = receivers.register("later")
    attributes = {str(number): "x" for number in range(10)}

    assert queue.outgoing(body="x", attributes=attributes, delay=900)
    with pytest.raises(MessageEncodeError, match="10 are too many"):
        queue.outgoing(body="x", attributes=attributes, delay=901)
