"""ReceiverStep: what it knows outlasts the connections of a worker."""

from types import SimpleNamespace

from kombu.asynchronous import Hub

from django_sqs_kombu import Breaker
from django_sqs_kombu.celery import ReceiverStep


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
