"""``unique=`` in a project's database: with transactions, the outbox and threads at once."""

import contextlib
import io
import threading
import time
import uuid

import pytest
from django.core.management import call_command
from django.db import connection, transaction

import django_sqs
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.tickets.models import UniqueKey
from django_sqs.tickets.store import DatabaseTickets
from django_sqs_kombu.exceptions import MessageTooLarge

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def attached(site):
    django_sqs.receivers.close()
    yield
    django_sqs.receivers.close()


def send(body="x", **options):
    return django_sqs.send("second", body=body, unique="a", unique_for=60, **options)


def received():
    """How many messages there are; they are taken out."""
    count = 0
    while django_sqs.queues["second"].receive_single() is not None:
        count += 1
    return count


def test_one_is_sent_and_then_again_after_its_time():
    first, second = send(), send()
    assert (first.sent, second.sent) == (True, False)
    assert second.id == first.id

    UniqueKey.objects.update(expires=time.time() - 1)
    third = send()

    assert third.sent
    assert third.id != first.id
    assert received() == 2


def test_a_rollback_gives_the_key_back():
    with contextlib.suppress(KeyError), transaction.atomic():
        assert send().sent
        raise KeyError
    with transaction.atomic():
        assert send().sent

    assert received() == 1


@pytest.mark.parametrize("commits", [True, False])
def test_key_and_message_in_the_outbox_are_one_transaction(commits):
    with contextlib.suppress(KeyError), transaction.atomic():
        assert send(outbox=True).sent
        assert not send(outbox=True).sent
        if not commits:
            raise KeyError

    assert OutboxMessage.objects.count() == UniqueKey.objects.count() == int(commits)
    assert Relay().send_all() == int(commits)
    assert send(outbox=True).sent is not commits


def test_what_the_outbox_refuses_leaves_no_key():
    with pytest.raises(MessageTooLarge):
        send(body="x" * 2_000_000, outbox=True)

    assert not UniqueKey.objects.exists()


def test_what_is_cancelled_keeps_its_key():
    ticket = send(delay=60)

    assert ticket.cancel()
    assert not send().sent


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one in memory waits for nobody")
def test_of_many_at_once_one_has_the_key():
    store, owners, barrier = DatabaseTickets(), [], threading.Barrier(4)

    def claim():
        barrier.wait(10)
        owners.append(store.claim("key", str(uuid.uuid4()), 60))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(owners) == 4
    assert len(set(owners)) == 1


def test_keys_whose_time_is_over_are_pruned():
    send()
    call_command("sqs_prune_tickets", stdout=io.StringIO())
    assert UniqueKey.objects.count() == 1
    UniqueKey.objects.update(expires=time.time() - 1)

    call_command("sqs_prune_tickets", stdout=io.StringIO())

    assert not UniqueKey.objects.exists()
