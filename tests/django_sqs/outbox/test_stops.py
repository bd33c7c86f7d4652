"""A relay that stops, or ends, just as its database fails: what was sent is not sent again."""

import threading

import pytest
from django.db import OperationalError

import django_sqs
from django_sqs.outbox import claims
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failing_once(monkeypatch):
    """Have the first DELETE of rows that were sent fail; is set then."""
    failed, delete = threading.Event(), claims.delete

    def failing(claimed, rows):
        if not failed.is_set():
            failed.set()
            raise OperationalError("the connection was broken off")
        delete(claimed, rows)

    monkeypatch.setattr(claims, "delete", failing)
    return failed


def test_a_stop_does_not_leave_what_was_sent(attached, failing_once):
    django_sqs.send("plain", body="x", outbox=True)
    relay = Relay(0.1)
    stopping = threading.Thread(target=lambda: (failing_once.wait(10), relay.stop()))
    stopping.start()

    relay.run()

    stopping.join()
    assert attached("plain") == 1
    assert not OutboxMessage.objects.exists()


def test_nor_does_one_that_sends_once(attached, failing_once):
    django_sqs.send("plain", body="x", outbox=True)

    with pytest.raises(OperationalError):
        Relay(0.1).send_all()

    assert attached("plain") == 1
    assert not OutboxMessage.objects.exists()
