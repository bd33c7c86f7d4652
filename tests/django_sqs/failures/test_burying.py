"""Dead letters are taken out of SQS, whatever is wrong with those of other queues."""

import pytest
from django.core.management import CommandError
from django.db import router
from django.utils import timezone

import django_sqs
from django_sqs.failures import burying
from django_sqs.failures.deciding import discard, send_again
from django_sqs.failures.models import Failure, State
from django_sqs.failures.writing import write_all
from django_sqs_kombu.transport import Trail
from django_sqs_kombu.transport.sending.trail import TRAIL

from ..commands import full_name, run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dead(mend, sqs, prefix):
    """Register a queue with a dead letter; return the name of its dead-letter queue."""

    def dead(name, **letter):
        mend(name, dead_letter_queue=f"{name}-dead", max_receives=1)
        django_sqs.send(name, body="x")
        dead_letters = f"{prefix}__{name}-dead"
        url = sqs.get_queue_url(QueueName=dead_letters)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="y", **letter)
        return dead_letters

    return dead


@pytest.mark.parametrize("action", ["ReceiveMessage", "DeleteMessageBatch"])
def test_a_queue_whose_dead_letters_cannot_be_taken_out_keeps_no_others_in_sqs(
    action, dead, server, counts, caplog
):
    denied, other = dead("b1"), dead("b2")
    server.faults[action, denied] = (403, "AccessDenied")

    burying._bury_all(["b1", "b2"], lambda: False)

    assert counts(other) == (0, 0, 0)
    assert Failure.objects.filter(queue_name="b2").count() == 1
    assert f"sqs:{action.removesuffix('Batch')}" in caplog.text


def test_the_command_takes_out_what_it_can_and_says_what_it_cannot(dead, server, counts):
    denied, other = dead("b1"), dead("b2")
    server.faults["ReceiveMessage", denied] = (403, "AccessDenied")

    with pytest.raises(CommandError, match=r"^Queue b1: .*sqs:ReceiveMessage"):
        run("sqs_bury", "b1", "b2")

    assert counts(other) == (0, 0, 0)


@pytest.mark.parametrize("known_as", ["a\0b", "half \ud800"])
def test_a_dead_letter_whose_id_no_database_takes_is_kept(known_as, dead, counts):
    name = dead("b3", MessageAttributes={TRAIL: Trail(id=known_as).attribute()})

    burying._bury_all(["b3"], lambda: False)

    assert counts(name) == (0, 0, 0)
    assert Failure.objects.count() == 1


@pytest.mark.parametrize("decide", [send_again, discard])
@pytest.mark.parametrize("noted", [True, False])
def test_one_that_was_not_deleted_is_not_kept_again_once_it_is_decided_about(
    noted, decide, dead, server, counts, monkeypatch, sqs
):
    name = dead("b4")
    monkeypatch.setattr(burying, "HOLD", 0)
    if noted:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        [letter] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
        write_all(router.db_for_write(Failure), [("m", failed_delivery_of(letter, "b4"))])
    server.faults["DeleteMessageBatch", name] = (500, "InternalError")
    burying._bury_all(["b4"], lambda: False)
    del server.faults["DeleteMessageBatch", name]
    assert decide(Failure.objects.all(), by="root", limit=10).done == 1

    burying._bury_all(["b4"], lambda: False)

    assert counts(name) == (0, 0, 0)
    assert Failure.objects.get().state in (State.SENT, State.DISCARDED)


def failed_delivery_of(message, queue):
    return Failure(
        state=State.IN_QUEUE,
        queue_name=queue,
        full_name=full_name(queue),
        message_id=message["MessageId"],
        receipt="of its last delivery",
        body="y",
        failed_at=timezone.now(),
    )
