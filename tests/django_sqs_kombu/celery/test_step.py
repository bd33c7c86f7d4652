"""ReceiverStep: what it knows outlasts the connections of a worker."""

from types import SimpleNamespace

import pytest
from kombu.asynchronous import Hub

from django_sqs_kombu import Breaker
from django_sqs_kombu.celery import ReceiverStep
from django_sqs_kombu.celery.pool import Outcome
from django_sqs_kombu.working import current_message

from ..working.fakes import FakeDelivery


@pytest.mark.parametrize("names", [(), ("orders",)], ids=["all", "chosen"])
def test_it_is_said_that_nobody_receives_from_a_queue_that_comes_late(
    names, receivers, start, caplog
):
    receivers.register("orders", print)
    start(*names)
    receivers.register("late", print)

    assert ("Queue 'late' was registered after" in caplog.text) == (not names)


def test_a_breaker_stays_open_when_the_connection_is_made_anew(receivers):
    queue = receivers.register("orders", print, breaker=Breaker(of=2, pause=60)).get_queue()
    consumer = SimpleNamespace(hub=Hub(), pool=SimpleNamespace(num_processes=1))
    step = ReceiverStep(consumer)
    step.receivers = receivers
    step.start(consumer)
    [first] = step._consumers
    for _ in range(2):
        first._circuits.ended(queue.name, ConnectionError())
    assert first._circuits.refuses(queue.name)

    step.stop(consumer)
    step.start(consumer)

    try:
        second = step._consumers[-1]
        assert second is not first
        assert second._circuits.refuses(queue.name)
    finally:
        step.stop(consumer)
        step.shutdown(consumer)


def test_a_failure_in_the_pool_is_reported_with_the_message_that_it_is_of(
    receivers, start, monkeypatch, eventually
):
    queue = receivers.register("orders", print).get_queue()
    [pool] = start("orders")._consumers
    delivery, seen = FakeDelivery(), []
    delivery.queue = queue.name
    monkeypatch.setattr(
        "django_sqs_kombu.working.outcomes.logger.handle",
        lambda record: seen.append(current_message.get()),
    )

    pool._on_outcome(delivery, Outcome(ValueError("x")))

    eventually(lambda: delivery.acknowledged)
    assert [each.message_id for each in seen] == [delivery.message_id]
    assert current_message.get() is None
