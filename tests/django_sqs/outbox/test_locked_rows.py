"""Somebody else's transaction has locked a row of the outbox: it holds up no other."""

import threading

import pytest
from django.db import connections, transaction

import django_sqs
from django_sqs.outbox import claims
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def locked():
    """Lock the row of a body, as a form that is being saved does, until the test ends."""
    using = outbox_databases()[0]
    if not claims.skips_locked(connections[using]):
        pytest.skip("what is locked is waited for there")
    is_locked, over, threads = threading.Event(), threading.Event(), []

    def lock(body):
        try:
            with transaction.atomic(using=using):
                rows = OutboxMessage.objects.using(using)
                # MySQL locks what it looks at.
                key = rows.get(body=body).pk
                rows.select_for_update().get(pk=key)
                is_locked.set()
                over.wait(30)
        finally:
            connections[using].close()

    def locked(body):
        threads.append(threading.Thread(target=lock, args=[body]))
        threads[-1].start()
        assert is_locked.wait(10)

    def end():
        over.set()
        for thread in threads:
            thread.join()

    locked.end = end
    yield locked
    end()


@pytest.fixture
def relayed():
    """Send what can be sent, in a thread that may have to wait for a lock."""

    def send(sent):
        try:
            sent.append(Relay(0.1).send_all())
        finally:
            connections.close_all()

    def relayed():
        sent = []
        thread = threading.Thread(target=send, args=[sent], daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "it waits for the lock"
        return sent[0]

    return relayed


def test_a_locked_row_holds_up_no_other(attached, locked, relayed):
    for body in ("a", "b", "c"):
        django_sqs.send("plain", body=body, outbox=True)
    django_sqs.send("second", body="d", outbox=True)
    locked("a")

    assert relayed() == 3

    locked.end()
    assert relayed() == 1
    assert (attached("plain"), attached("second")) == (3, 1)


def test_what_is_behind_it_in_its_group_does_not_overtake_it(attached, locked, relayed, bodies):
    for body in ("a1", "b1", "a2", "b2"):
        django_sqs.send("ordered.fifo", body=body, group_id=body[0], outbox=True)
    locked("a1")

    assert relayed() == 2

    locked.end()
    assert relayed() == 2
    assert [body for body in bodies("ordered.fifo") if body[0] == "a"] == ["a1", "a2"]
