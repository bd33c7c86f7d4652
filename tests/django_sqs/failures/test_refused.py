"""Failed messages that cannot be sent again keep none of the others waiting."""

from dataclasses import replace

import pytest
from django.db import connections, router
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_sqs.failures import choices, deciding
from django_sqs.failures.choices import CHOICES
from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.operations.asking import NotAnsweredYet
from django_sqs_kombu.exceptions import RequestFailed

from ..commands import full_name

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def failed(site, monkeypatch):
    """Write down failures of a queue; a page sends two of them at most, one at a time."""
    monkeypatch.setattr(choices, "MOST", 2)
    monkeypatch.setattr(deciding, "BATCH", 2)
    now = timezone.now()
    group = FailureGroup.objects.create(
        fingerprint="f", queue_name="plain", first_seen=now, last_seen=now
    )

    def failed(count, queue="plain", body="x", **more):
        rows = [
            Failure(
                group=group,
                queue_name=queue,
                full_name=full_name(queue),
                message_id=f"{queue}-{body[:9]}-{number}",
                receipt=f"{queue}-{body[:9]}-{number}",
                body=body,
                failed_at=now,
                **more,
            )
            for number in range(count)
        ]
        Failure.objects.bulk_create(rows)
        return rows

    return failed


def send_again():
    return CHOICES["send"].run(Failure.objects.all(), "root", None)


def waiting():
    rows = Failure.objects.filter(state=State.WAITING).order_by("pk")
    return [*rows.values_list("message_id", flat=True)]


def test_those_that_never_can_be_are_passed_over(failed):
    failed(7, body="")
    failed(3, body="x")

    decided = send_again()

    assert (decided.done, decided.refused, decided.why) == (2, 7, "Its body was not kept.")
    assert waiting()[7:] == ["plain-x-2"]
    assert Failure.objects.filter(note="Its body was not kept.").count() == 7


def test_a_queue_that_sqs_refuses_is_asked_once_and_the_others_have_their_turn(
    failed, server, prefix
):
    failed(5)
    failed(1, "second")
    server.faults["SendMessageBatch", f"{prefix}__plain"] = (403, "AccessDenied")
    server.faults["SendMessage", f"{prefix}__plain"] = (403, "AccessDenied")

    decided = send_again()

    assert (decided.done, decided.refused) == (1, 2)
    assert "sqs:SendMessage" in decided.why
    assert waiting() == [f"plain-x-{number}" for number in range(5)]


def test_a_message_group_is_not_overtaken_by_those_behind_one_that_sqs_refused(failed, monkeypatch):
    monkeypatch.setattr(deciding, "BATCH", 1)
    odd = {"a": {"DataType": "Odd", "StringValue": "x"}}
    failed(1, "ordered.fifo", "refused", message_group="a", attributes=odd)
    failed(1, "ordered.fifo", "later", message_group="a")
    failed(1, "ordered.fifo", "of another", message_group="b")

    decided = send_again()

    assert (decided.done, decided.refused) == (1, 2)
    assert [each.partition("-")[2] for each in waiting()] == ["refused-0", "later-0"]


def test_an_s3_that_does_not_answer_keeps_neither_the_page_nor_other_messages(
    failed, monkeypatch, settings, prefix, s3
):
    settings.SQS_LARGE_PAYLOAD_BUCKET = prefix
    failed(1, body="x" * 1_100_000)
    failed(1, body="small")

    def ask(patience, name, question):
        if "to S3" in name:
            raise NotAnsweredYet("SQS has not answered within 15 seconds.")
        return question()

    monkeypatch.setattr(choices, "ask_within", ask)
    decided = send_again()

    assert (decided.done, decided.refused, decided.failure) == (1, 1, None)
    assert decided.why == "S3 did not take its payload in time."
    assert len(waiting()) == 1


def test_a_large_message_that_s3_does_not_take_is_not_overtaken_by_its_group(
    failed, monkeypatch, settings, prefix, s3
):
    settings.SQS_LARGE_PAYLOAD_BUCKET = prefix
    monkeypatch.setattr(deciding, "BATCH", 1)
    failed(1, "ordered.fifo", "x" * 1_100_000, message_group="a")
    failed(1, "ordered.fifo", "later", message_group="a")
    failed(1, "ordered.fifo", "of another", message_group="b")
    s3.delete_bucket(Bucket=prefix)

    decided = send_again()

    assert (decided.done, decided.refused) == (1, 2)
    assert [each.partition("-")[2] for each in waiting()] == ["xxxxxxxxx-0", "later-0"]
    assert "An earlier message of its group was not sent: A payload of" in decided.why


def test_a_page_waits_for_many_slow_answers_no_longer_than_for_one(failed, monkeypatch):
    failed(2)
    failed(2, "second")
    now, patience = [100.0], []
    monkeypatch.setattr(choices.time, "monotonic", lambda: now[0])

    def ask(seconds, name, question):
        patience.append(seconds)
        now[0] += 9.0
        return question()

    monkeypatch.setattr(choices, "MOST", 4)
    monkeypatch.setattr(choices, "ask_within", ask)

    assert send_again().done == 4
    assert patience == [15.0, 15.0]


@pytest.mark.parametrize(("text", "most"), [(None, 1), ("edited", 2)])
def test_a_fifo_queue_whose_answer_was_lost_does_not_get_it_twice(
    text, most, failed, monkeypatch, counts, prefix
):
    failed(1, "ordered.fifo", message_group="a")
    sends = deciding.send_list

    def unheard(*args):
        sent = sends(*args)
        facts = {"operation": "SendMessageBatch", "queue": "ordered.fifo", "code": "Timeout"}
        return replace(sent, errors=[RequestFailed("The answer was lost", **facts)])

    with monkeypatch.context() as patch:
        patch.setattr(deciding, "send_list", unheard)
        assert send_again().refused == 1
    # What is edited is another message: it must not be taken for the first.
    assert CHOICES["send"].run(Failure.objects.all(), "root", text).done == 1

    assert counts(f"{prefix}__ordered.fifo")[0] == most


def test_the_bodies_that_a_list_leaves_out_are_read_all_at_once(failed, monkeypatch):
    monkeypatch.setattr(choices, "MOST", 20)
    monkeypatch.setattr(deciding, "BATCH", 20)
    failed(20)
    rows = Failure.objects.defer("body", "attributes")

    with CaptureQueriesContext(connections[router.db_for_write(Failure)]) as asked:
        assert CHOICES["send"].run(rows, "root", None).done == 20

    assert len(asked) < 20
