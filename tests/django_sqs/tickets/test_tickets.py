"""Tickets in a project's database: with transactions, the outbox and threads at once."""

import contextlib
import io
import threading
import uuid
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection, router, transaction
from django.utils import timezone

import django_sqs
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.tickets.models import UsedTicket
from django_sqs.tickets.store import DatabaseTickets
from django_sqs_kombu import MessageCancelled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue():
    return django_sqs.queues["second"]


def in_block():
    """A transaction of the database that the tickets are in, and the outbox."""
    return transaction.atomic(using=router.db_for_write(UsedTicket))


def test_it_is_cancelled_or_it_runs(queue):
    cancelled, runs = (queue.send(body=str(n), ticket=True) for n in range(2))

    assert cancelled.cancel()
    for _ in range(2):
        with contextlib.suppress(MessageCancelled):
            queue.receive_single()

    assert cancelled.cancel()
    assert not runs.cancel()
    assert dict(UsedTicket.objects.values_list("ticket_id", "cancelled")) == {
        cancelled.id: True,
        runs.id: False,
    }


def test_a_cancellation_that_is_rolled_back_cancels_nothing(queue):
    ticket = queue.send(body="x", ticket=True)
    with contextlib.suppress(KeyError), in_block():
        assert ticket.cancel()
        raise KeyError

    queue.receive_single()

    assert not ticket.cancel()


def test_what_waits_in_the_outbox_is_deleted_there(queue):
    with in_block():
        ticket = queue.send(body="x", delay=3600, outbox=True)
    assert str(OutboxMessage.objects.get().uid) == ticket.id

    assert ticket.cancel()

    assert not OutboxMessage.objects.exists()


def test_a_rollback_leaves_it_in_the_outbox(queue):
    ticket = queue.send(body="x", ticket=True, outbox=True)
    with contextlib.suppress(KeyError), in_block():
        assert ticket.cancel()
        raise KeyError
    assert Relay().send_all() == 1

    queue.receive_single()

    assert not ticket.cancel()


def test_what_a_relay_sends_meanwhile_is_dropped_by_its_receiver(queue):
    ticket = queue.send(body="x", ticket=True, outbox=True)
    claimed = OutboxMessage.objects.all()
    soon = timezone.now() + timedelta(seconds=100)
    claimed.update(claimed_by=uuid.uuid4(), claimed_until=soon)
    assert ticket.cancel()
    assert claimed.count() == 1
    claimed.update(claimed_by=None, claimed_until=None)
    assert Relay().send_all() == 1

    with pytest.raises(MessageCancelled):
        queue.receive_single()


def test_before_the_commit_it_is_cancelled_with_it(queue):
    with in_block():
        ticket = queue.send(body="x", ticket=True, on_commit=True)
        assert ticket.cancel()

    with pytest.raises(MessageCancelled):
        queue.receive_single()


def test_from_coroutines_too(queue):
    ticket = async_to_sync(queue.asend)(body="x", ticket=True)

    assert async_to_sync(ticket.acancel)()
    assert async_to_sync(queue.acancel)(ticket.id)
    assert ticket.cancel()


def test_what_coroutines_cancel_is_part_of_the_callers_transaction(queue):
    ticket = queue.send(body="x", ticket=True)
    with contextlib.suppress(KeyError), in_block():
        assert async_to_sync(ticket.acancel)()
        raise KeyError

    queue.receive_single()

    assert not async_to_sync(ticket.acancel)()


def test_its_id_may_be_kept_as_a_uuid(queue):
    ticket = queue.send(body="x", ticket=True)

    assert queue.cancel(uuid.UUID(ticket.id))
    assert async_to_sync(queue.acancel)(uuid.UUID(ticket.id))
    assert ticket.cancel()


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one in memory waits for nobody")
def test_of_two_at_once_one_is_first(isolation):
    store = DatabaseTickets()
    for _ in range(5):
        ticket_id, answers = str(uuid.uuid4()), {}
        barrier = threading.Barrier(2)

        def use(what, ticket_id=ticket_id, answers=answers, barrier=barrier):
            barrier.wait(10)
            answers[what] = getattr(store, what)(ticket_id)
            connection.close()

        threads = [threading.Thread(target=use, args=[what]) for what in ("start", "cancel")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert answers["start"] != answers["cancel"]


def test_old_ones_are_pruned():
    DatabaseTickets().cancel(str(uuid.uuid4()))
    out = io.StringIO()
    call_command("sqs_prune_tickets", stdout=out)
    assert UsedTicket.objects.count() == 1
    call_command("sqs_prune_tickets", "--days=0", stdout=out)

    assert "Deleted 1 used ticket" in out.getvalue()
