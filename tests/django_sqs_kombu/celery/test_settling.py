"""What waits for SQS or S3 while a message is settled holds up no Celery worker."""

import threading

import pytest

from django_sqs_kombu import EnvironmentFailure, RestartLater
from django_sqs_kombu.celery.pool import Outcome

from ..working.fakes import FakeDelivery


class SlowDelivery(FakeDelivery):
    """One that is sent again to an SQS, with a payload in an S3, that hangs until it is let go."""

    def __init__(self, queue):
        super().__init__(queue=queue, redrive=True)
        self.asked, self.answers = threading.Event(), threading.Event()

    def fail(self, name):
        if name == "SendMessage":
            self.asked.set()
            assert self.answers.wait(10)


@pytest.fixture
def slow(receivers, start):
    """What receives from a queue in a pool, and a message of it that takes long to settle."""
    queue = receivers.register("orders", print).get_queue()
    [consumer] = start("orders")._consumers
    delivery = SlowDelivery(queue.name)
    yield consumer, delivery
    delivery.answers.set()


@pytest.mark.parametrize("undecodable", [False, True])
def test_the_event_loop_goes_on_while_a_message_is_sent_again(slow, eventually, undecodable):
    consumer, delivery = slow

    # As the loop does: these return.
    if undecodable:
        consumer._on_decode_error(delivery, EnvironmentFailure("S3 is away"))
    else:
        consumer._running.add(delivery)
        consumer._on_outcome(delivery, Outcome(RestartLater()))

    assert delivery.asked.wait(10)
    assert delivery.done == []
    # Until it is settled its place is taken.
    assert delivery in consumer._running
    delivery.answers.set()
    eventually(lambda: delivery.done == [("ack",)])
    eventually(lambda: not consumer._running)


def test_a_close_waits_for_it(slow):
    """Given back meanwhile, it would come twice."""
    consumer, delivery = slow
    consumer._running.add(delivery)
    consumer._on_outcome(delivery, Outcome(RestartLater()))
    assert delivery.asked.wait(10)

    threading.Timer(0.3, delivery.answers.set).start()
    consumer.close()

    assert delivery.done == [("ack",)]
