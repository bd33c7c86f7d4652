"""Dead letters that SQS moved are chosen by the exception that was noted of them."""

import pytest
from django.utils import timezone

import django_sqs
from django_sqs.failures.models import Failure, FailureGroup

from ..commands import as_json, full_name

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def note(message_id, error_class):
    now = timezone.now()
    group, _ = FailureGroup.objects.get_or_create(
        fingerprint=error_class, defaults={"first_seen": now, "last_seen": now}
    )
    Failure.objects.create(
        group=group,
        full_name=full_name("watched"),
        message_id=message_id,
        receipt=message_id,
        error_class=error_class,
        failed_at=now,
    )


def test_redrive_by_an_exception_that_is_noted(sqs, counts, prefix):
    django_sqs.send("watched", body="alive")
    url = sqs.get_queue_url(QueueName=f"{prefix}__watched-dead")["QueueUrl"]
    for number in range(3):
        sent = sqs.send_message(QueueUrl=url, MessageBody=f"dead {number}")
        note(sent["MessageId"], "shop.Timeout" if number else "ValueError")

    assert as_json("sqs_redrive", "watched", "--exception=Timeout")["moved"] == 2

    [left] = as_json("sqs_peek", "watched", "--dead-letters")
    assert "dead 0" in left["shown"]
