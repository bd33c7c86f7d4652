"""``expires=`` in a Django project: through the outbox, and with failures noted."""

import threading
import time

import pytest
from django.db import transaction
from django.utils import timezone

import django_sqs
from django_sqs.failures.deciding import send_again
from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.failures.noting import FailureNotes
from django_sqs.outbox.relay import Relay
from django_sqs_kombu import MessageExpired
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.working import Failure as FailureNote

pytestmark = pytest.mark.django_db(transaction=True)


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


def failed(queue, trail, **attributes):
    now = timezone.now()
    group = FailureGroup.objects.create(queue_name=queue, waiting=1, first_seen=now, last_seen=now)
    return Failure.objects.create(
        group=group,
        queue_name=queue,
        full_name=django_sqs.queues[queue].full_name(),
        message_id="a",
        body="x",
        attributes={"django_sqs.trail": trail.attribute(), **attributes},
        state=State.WAITING,
        failed_at=now,
        changed_at=now,
    )


def test_what_has_expired_is_not_sent_again_and_the_person_is_told(db, counts):
    django_sqs.send("plain", body="other", delay=60)
    row = failed("plain", Trail(id="a", expires=1_600_000_000))

    decided = send_again(Failure.objects.all(), by="root", limit=10)

    row.refresh_from_db()
    assert (decided.done, decided.refused) == (0, 1)
    assert decided.why == row.note
    assert row.note.startswith("It expired at 2020-09-13")
    assert row.state == State.WAITING
    assert FailureGroup.objects.get().waiting == 1
    assert counts(row.full_name) == (0, 0, 1)


@pytest.mark.parametrize("reason", ["cursor", "dead letter"])
def test_what_has_started_and_dead_letters_are_sent_again(db, counts, reason):
    django_sqs.send("plain", body="other", delay=60)
    told = {"django_sqs.failure": FailureNote(queue="orders").attribute()}
    cursor = {"page": 3} if reason == "cursor" else None
    trail = Trail(id="a", expires=1_600_000_000, cursor=cursor)
    failed("plain", trail, **(told if cursor is None else {}))

    assert send_again(Failure.objects.all(), by="root", limit=10).done == 1
    django_sqs.queues["plain"].receive_single()
