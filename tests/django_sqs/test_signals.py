"""Django signals about messages."""

import logging

import pytest

import django_sqs
from django_sqs.signals import (
    SignalSender,
    breaker_tripped,
    message_received,
    message_sent,
    message_settled,
    queue_limited,
)
from django_sqs_kombu import Middleware, ReceiverConsumer
from django_sqs_kombu.working import Trip

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    """The signals that were sent: (name, arguments)."""
    heard = []

    def listener(name):
        def hear(sender, signal, **kwargs):
            heard.append((name, sender.__name__, kwargs))

        return hear

    signals = {"sent": message_sent, "received": message_received, "settled": message_settled}
    listeners = {name: listener(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(listeners[name])
    yield heard
    for name, signal in signals.items():
        signal.disconnect(listeners[name])


def consume(name, count=1):
    queue = django_sqs.queues[name]
    ReceiverConsumer(django_sqs.receivers, [queue], message_limit=count).run()


def test_sent_received_and_settled(heard, server):
    django_sqs.send("typed", body={"a": 1})
    django_sqs.send_many("typed", [{"a": n} for n in range(3)])
    consume("typed", 4)

    assert [(name, kwargs["count"]) for name, _, kwargs in heard if name == "sent"] == [
        ("sent", 1),
        ("sent", 3),
    ]
    received = [kwargs for name, _, kwargs in heard if name == "received"]
    settled = [kwargs for name, _, kwargs in heard if name == "settled"]
    assert len(received) == len(settled) == 4
    assert {sender for _, sender, _ in heard} == {"DjangoQueue"}
    assert all(kwargs["queue"].name == "typed" for kwargs in [*received, *settled])
    assert {kwargs["message_id"] for kwargs in settled} == {
        kwargs["message"].id for kwargs in received
    }
    assert {(kwargs["outcome"], kwargs["raised"]) for kwargs in settled} == {("DELETE", None)}


def test_breakers_and_limits():
    told, queue = [], django_sqs.queues["typed"]

    def tripped(sender, queue, trip, **kwargs):
        told.append((queue.name, trip))

    def limited(sender, queue, **kwargs):
        told.append(queue.name)

    breaker_tripped.connect(tripped)
    queue_limited.connect(limited)
    try:
        sender = SignalSender()
        sender.tripped(queue, "typed", Trip(60, 10, 20))
        sender.tripped(queue, "typed", None)
        sender.limited(queue, "typed")
    finally:
        breaker_tripped.disconnect(tripped)
        queue_limited.disconnect(limited)

    assert told == [("typed", Trip(60, 10, 20)), ("typed", None), "typed"]


def test_failures_and_what_cannot_be_decoded(heard, server, sqs):
    django_sqs.send("broken", body="x")
    consume("broken")
    url = sqs.create_queue(QueueName=django_sqs.queues["typed"].full_name())["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no base64 of JSON")
    consume("typed")

    failed, undecodable = (kwargs for name, _, kwargs in heard if name == "settled")
    assert failed["outcome"] == undecodable["outcome"] == "REJECT"
    assert failed["message"].get_body() == "x"
    assert isinstance(failed["raised"], Exception)
    assert undecodable["message"] is None
    assert [name for name, _, _ in heard].count("received") == 1


def test_what_is_not_sent_sends_no_signal(heard, server):
    name = django_sqs.queues["plain"].full_name()
    with server.refusing("SendMessage", name), pytest.raises(django_sqs.SQSError):
        django_sqs.send("plain", body="x")

    assert heard == []


def test_an_error_in_a_listener_stops_nothing(server, caplog):
    def fail(sender, **kwargs):
        raise KeyError("in a listener")

    caplog.set_level(logging.ERROR)
    for signal in (message_sent, message_received, message_settled):
        signal.connect(fail)
    try:
        django_sqs.send("typed", body={"a": 1})
        consume("typed")
    finally:
        for signal in (message_sent, message_received, message_settled):
            signal.disconnect(fail)

    assert caplog.text.count("in a listener") >= 3


class Counting(Middleware):
    """What the project names in SQS_MIDDLEWARE."""

    settlements = 0

    def settled(self, settlement):
        type(self).settlements += 1


def test_middleware_of_the_settings(settings, server):
    before = list(django_sqs.receivers.middleware)
    settings.SQS_MIDDLEWARE = [f"{__name__}.Counting"]
    django_sqs.send("typed", body={"a": 1})
    consume("typed")
    settings.SQS_MIDDLEWARE = []

    assert Counting.settlements == 1
    assert django_sqs.receivers.middleware == before
