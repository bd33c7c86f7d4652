"""``expires=`` in a Django project: through the outbox, and with failures noted."""

import threading
import time

import pytest
from django.db import transaction

import django_sqs
from django_sqs.failures.models import Failure
from django_sqs.failures.noting import FailureNotes
from django_sqs.outbox.relay import Relay
from django_sqs_kombu import MessageExpired
from django_sqs_kombu.transport.sending.trail import Trail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def attached(site):
    django_sqs.receivers.close()
    yield
    django_sqs.receivers.close()


def test_the_outbox_keeps_it(db):
    with transaction.atomic():
        django_sqs.send("plain", body="x", outbox=True, expires=60, delay=30)
        django_sqs.send("second", body="x", outbox=True, expires=0.05)
    assert Relay().send_all() == 2
    threading.Event().wait(0.06)

    with pytest.raises(MessageExpired):
        django_sqs.queues["second"].receive_single()


def test_what_expires_is_no_failure_to_be_decided_on(db):
    notes = FailureNotes()
    django_sqs.receivers.middleware.append(notes)
    try:
        django_sqs.send_many("second", ["x"], expires=0.05)
        threading.Event().wait(0.06)
        with pytest.raises(MessageExpired):
            django_sqs.queues["second"].receive_single()
    finally:
        django_sqs.receivers.middleware.remove(notes)

    assert not Failure.objects.exists()


def test_sent_again_by_hand_it_still_expires(db):
    from django_sqs.failures.deciding import entry_of

    trail = Trail(id="a", expires=time.time() + 60)
    row = Failure(
        queue_name="second",
        full_name="second",
        message_id="a",
        body="x",
        attributes={"django_sqs.trail": trail.attribute()},
    )

    sent = Trail.of(entry_of(row)["MessageAttributes"])

    assert sent.expires == pytest.approx(trail.expires, abs=0.01)
