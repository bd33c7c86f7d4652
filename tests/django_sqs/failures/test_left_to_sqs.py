"""Rows of messages that were left to SQS: discarded, pruned, and never sent from here."""

from datetime import timedelta

import pytest
from django.utils import timezone

from django_sqs.failures.choices import CHOICES
from django_sqs.failures.deciding import discard, left_to_sqs, send_again
from django_sqs.failures.models import Failure, FailureGroup, State

from ..commands import as_json

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rows():
    """A group of one row that waits, one that somebody sends, and two that were left to SQS."""
    now = timezone.now()
    group = FailureGroup.objects.create(fingerprint="f", first_seen=now, last_seen=now, waiting=2)
    states = (State.WAITING, State.SENDING, State.IN_QUEUE, State.IN_QUEUE)
    for number, state in enumerate(states):
        Failure.objects.create(
            **{"group": group, "state": state, "receipt": str(number), "message_id": str(number)},
            **{"failed_at": now, "changed_at": now, "error_class": "E", "full_name": "q"},
        )
    return Failure.objects.all()


def states():
    return list(Failure.objects.order_by("pk").values_list("state", flat=True))


def test_they_are_discarded_and_were_never_counted_as_waiting(rows):
    assert discard(rows, by="root", limit=10).done == 3

    assert states() == [State.DISCARDED, State.SENDING, State.DISCARDED, State.DISCARDED]
    assert FailureGroup.objects.get().waiting == 1


def test_they_are_not_sent(rows):
    decided = send_again(left_to_sqs(rows), by="root", limit=10)

    assert (decided.done, decided.refused) == (0, 0)
    assert states()[2:] == [State.IN_QUEUE] * 2


def test_old_ones_are_pruned(rows):
    rows.update(failed_at=timezone.now() - timedelta(days=40))

    assert as_json("sqs_prune_failures") == {"deleted": 2}
    assert states() == [State.WAITING, State.SENDING]


@pytest.mark.parametrize(
    ("waiting", "left", "asks"),
    [
        (1, 0, "Discard this message? It will not be run again."),
        (
            0,
            1,
            "Discard the record of 1 message that was left to SQS? Nothing is deleted in SQS.",
        ),
        (
            2,
            5_000,
            "Discard these 2 messages? They will not be run again. Discard the records of 1000 "
            "messages that were left to SQS? Nothing is deleted in SQS.",
        ),
    ],
)
def test_what_is_asked_says_what_is_not_deleted(waiting, left, asks):
    assert CHOICES["discard"].question(waiting, left) == asks


def test_sending_asks_about_those_that_wait_alone():
    asked = CHOICES["send"].question(2, 7)
    assert asked == "Send these 2 messages again, to where they came from?"
