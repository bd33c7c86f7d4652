"""What a breaker refuses in a Celery worker is sent again beside the loop, and so not counted."""

import threading

import pytest
from kombu.exceptions import ConnectionError as KombuConnectionError

from django_sqs_kombu import Breaker
from django_sqs_kombu.celery.refused import Refused
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.transport.sqs.threads import Threads

from ..working.fakes import FakeDelivery


@pytest.fixture
def tripped(receivers, start):
    """What receives from a queue in a pool, whose breaker is open, and the queue's name."""
    registered = receivers.register("orders", print, breaker=Breaker(of=1, pause=60))
    [pool] = start("orders")._consumers
    queue = registered.get_queue().name
    pool._circuits.ended(queue, OSError())
    return pool, queue


def test_what_waits_when_a_breaker_opens_is_not_brought_to_the_dead_letters(tripped, eventually):
    pool, queue = tripped
    deliveries = [FakeDelivery(queue=queue, redrive=True, receive_count=3) for _ in range(3)]

    for each in deliveries:
        pool._on_message(each)

    eventually(lambda: all(each.done == [("ack",)] for each in deliveries))
    sent = [entry for each in deliveries for entry in each.sent]
    assert [Trail.of(entry["MessageAttributes"]).tries for entry in sent] == [2] * 3


def test_it_is_also_sent_again_where_the_breaker_has_closed_meanwhile(tripped, eventually):
    pool, queue = tripped
    delivery = FakeDelivery(queue=queue, redrive=True)

    pool._circuits._circuits.clear()
    pool._refused.add(delivery)

    eventually(lambda: delivery.done == [("ack",)])


def test_what_others_may_have_by_now_is_not_sent_again(tripped, eventually):
    pool, queue = tripped
    delivery = FakeDelivery(queue=queue, redrive=True)
    delivery.expired = True

    pool._on_message(delivery)

    eventually(lambda: delivery.done == [("abandon",)])
    assert not delivery.sent


def test_while_it_stops_it_is_given_back_without_waiting_for_sqs(tripped):
    pool, queue = tripped
    delivery = FakeDelivery(queue=queue, redrive=True)
    pool._stopping = True

    pool._on_message(delivery)
    pool._stopping = False

    assert (delivery.sent, delivery.done) == ([], [("release",)])


@pytest.mark.parametrize(
    "error", [KombuConnectionError("closed"), ZeroDivisionError("odd")], ids=["closed", "odd"]
)
def test_one_that_cannot_be_given_back_holds_up_no_other(error, eventually, caplog):
    ended = threading.Event()
    first, second = FakeDelivery({"release": error}), FakeDelivery()
    refused = Refused(lambda delivery: delivery.release(), ended.set, Threads("t"))

    refused.add(first)
    refused.add(second)

    eventually(lambda: second.done == [("release",)])
    assert ended.wait(5)
    assert not refused
    is_odd = isinstance(error, ZeroDivisionError)
    assert first.done == ([("abandon",)] if is_odd else [])
    assert ("is redelivered by SQS" in caplog.text) == is_odd
