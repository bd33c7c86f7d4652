"""What fails after a receiver has run, in Celery's pool, does not have it run again."""

from contextlib import contextmanager

import pytest

from django_sqs_kombu import RawMessage
from django_sqs_kombu.celery.pool import run_here, run_in_process
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail

from ..working.fakes import FakeDelivery


@pytest.fixture
def registered(receivers):
    class Untidy(type(receivers.register("other"))):
        @contextmanager
        def around_message(self):
            yield
            raise OSError("the database connection cannot be closed")

    receivers.queues["orders"] = Untidy("orders", lambda message: None, receivers=receivers)
    return receivers.queues["orders"]


def test_in_a_thread_of_the_pool(registered, caplog):
    outcome = run_here(registered, registered.get_queue(), FakeDelivery(), bool)

    assert outcome.raised is None
    assert "Cleaning up after message id-1 failed" in caplog.text


def test_in_a_process_of_the_pool_and_nothing_stays_held_there(registered, caplog):
    message = {"MessageId": "id-1", "ReceiptHandle": "r", "Body": "x"}

    outcome = run_in_process(registered.get_queue().name, message)

    assert outcome.raised is None
    assert "Cleaning up after message id-1 failed" in caplog.text
    assert not registered.receivers.channel().held.all()


class Undeletable(RawMessage):
    def delete(self):
        raise OSError("S3 is away")


def test_what_is_left_of_a_message_is_told_with_its_id_in_sqs(receivers, caplog):
    registered = receivers.register("orders", print, message_class=Undeletable)
    delivery = FakeDelivery(attributes={TRAIL: Trail(id="its-ticket").attribute()})

    run_here(registered, registered.get_queue(), delivery, bool)

    assert "An object that belongs to message id-1" in caplog.text
