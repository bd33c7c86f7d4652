"""Dead letters are taken out of SQS, whatever is wrong with those of other queues."""

import pytest

import django_sqs
from django_sqs.failures import burying
from django_sqs.failures.models import Failure
from django_sqs_kombu.transport import Trail
from django_sqs_kombu.transport.sending.trail import TRAIL

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


@pytest.mark.parametrize("known_as", ["a\0b", "half \ud800"])
def test_a_dead_letter_whose_id_no_database_takes_is_kept(known_as, dead, counts):
    name = dead("b3", MessageAttributes={TRAIL: Trail(id=known_as).attribute()})

    burying._bury_all(["b3"], lambda: False)

    assert counts(name) == (0, 0, 0)
    assert Failure.objects.count() == 1
