"""What is restarted politely is never buried for it."""

import json
import logging
import threading
import time
from datetime import timedelta

import pytest

from django_sqs_kombu import ReceiverConsumer, Receivers, RestartLater
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail
from django_sqs_kombu.working.outcomes import settle
from django_sqs_kombu.working.restarting import attempts
from django_sqs_kombu.working.table import Action, Attempts

from .fakes import FakeDelivery, refused


@pytest.fixture
def registered():
    return Receivers("sqs-batch://").register("orders", print)


@pytest.fixture
def consume(receivers):
    def consume(count):
        consumer = ReceiverConsumer(receivers, message_limit=count)
        guard = threading.Timer(20, consumer.stop)
        guard.start()
        consumer.run()
        assert guard.is_alive(), "the messages did not come"
        guard.cancel()

    return consume


def test_polite_restarts_bury_no_message(receivers, consume, counts, sqs):
    seen = []

    def restart_five_times(message):
        seen.append((message.get_body(), message.message_attributes.get("mine")))
        if len(seen) < 6:
            raise RestartLater(delay=0)

    receivers.register("orders", restart_five_times, dead_letter_queue="dead", max_receives=3)
    receivers.send("orders", body="x", attributes={"mine": "kept"})

    consume(6)

    assert [body for body, _ in seen] == ["x"] * 6
    assert {attribute["StringValue"] for _, attribute in seen} == {"kept"}
    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)
    assert counts(receivers.prefix + "__dead") == (0, 0, 0)


def test_a_message_keeps_its_id_however_often_it_is_sent_again(receivers, consume, sqs):
    """As receivers give it to other systems, to recognize what they have done already."""
    seen = []

    def restart_twice(message):
        seen.append(message.id)
        if len(seen) < 3:
            raise RestartLater(delay=0)

    queue = receivers.register("orders", restart_twice, dead_letter_queue="dead", max_receives=9)
    queue.send(body="warm")
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    sent = sqs.send_message(QueueUrl=url, MessageBody="x")

    consume(3)

    assert seen == [sent["MessageId"]] * 3


def test_an_id_that_a_stranger_wrote_is_one_line(receivers, consume, sqs):
    seen = []
    queue = receivers.register("orders", lambda message: seen.append(message.id))
    queue.send(body="x")
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    forged = {TRAIL: Trail(id="a\nb").attribute()}
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=forged)

    consume(2)

    assert len(seen) == 2
    assert "a\\nb" in seen


def test_a_restart_that_counts_is_left_to_the_redrive_policy(receivers, consume, counts):
    def restart(message):
        raise RestartLater(delay=0, counts=True)

    receivers.register("orders", restart, dead_letter_queue="dead", max_receives=3)
    receivers.send("orders", body="x")

    consume(3)

    assert sum(counts(receivers.get("orders").full_name())) == 1


@pytest.mark.parametrize(
    ("counts", "redrive", "queue", "way"),
    [
        (None, False, "orders", "requeue"),
        (None, True, "orders", "ack"),
        (None, True, "orders.fifo", "requeue"),
        (True, True, "orders", "requeue"),
        (False, False, "orders", "ack"),
        (False, True, "orders.fifo", "requeue"),
    ],
)
def test_when_a_message_is_sent_again(registered, counts, redrive, queue, way):
    delivery = FakeDelivery(redrive=redrive, queue=queue, receive_count=2)

    settle(registered, delivery, None, RestartLater(timedelta(seconds=7), counts=counts))

    assert [done[0] for done in delivery.done] == [way]
    if way == "requeue":
        assert delivery.done == [("requeue", 7.0)]
        assert delivery.sent == []
    else:
        [entry] = delivery.sent
        assert entry["DelaySeconds"] == 7
        assert entry["MessageBody"] == "the body"
        trail = Trail.of(entry["MessageAttributes"])
        assert (trail.id, trail.restarts) == ("id-1", 1)


@pytest.mark.parametrize("failing", ["SendMessage", "facts"])
def test_where_sending_again_fails_the_message_stays(registered, caplog, failing):
    delivery = FakeDelivery({failing: refused()}, redrive=True)

    assert settle(registered, delivery, None, RestartLater(7)) is Action.REQUEUE

    assert delivery.done == [("requeue", 7.0)]
    assert "could not be sent again; it stays, and the receive counts" in caplog.text


def test_a_message_restarted_for_longer_than_its_queue_keeps_messages_is_rejected(
    registered, caplog
):
    trail = Trail("id-0", None, time.time() - 86_400 * 4, 100).attribute()
    delivery = FakeDelivery(redrive=True, attributes={TRAIL: trail})

    assert settle(registered, delivery, None, RestartLater(7)) is Action.REJECT

    assert delivery.done == [("reject",)]
    assert delivery.sent == []
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "was restarted for too long" in record.message


def test_attempts_go_on_where_a_message_was_sent_again():
    trail = {TRAIL: Trail(restarts=4).attribute()}

    assert attempts({"ApproximateReceiveCount": "2"}, trail) == Attempts(6, 2)
    assert attempts({}, {}) == Attempts(1, 1)
    assert attempts({"ApproximateReceiveCount": "many"}, {TRAIL: "odd"}) == Attempts(1, 1)
    assert json.loads(trail[TRAIL]["StringValue"]) == {"restarts": 4}
