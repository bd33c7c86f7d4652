"""Rows too large for a statement, as with a small max_allowed_packet, are written nevertheless."""

import pytest
from django.db import OperationalError, router
from django.utils import timezone

import django_sqs
from django_sqs.failures.burying import bury
from django_sqs.failures.models import Failure
from django_sqs.failures.writing import FailureWriter, write_all
from django_sqs.operations.queues import Target
from django_sqs.outbox.models import OutboxMessage
from django_sqs.refused_writes import MOST_TRIES

from .conftest import MOST_BYTES

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def failure(name, size):
    return (
        f"mark {name}",
        Failure(
            queue_name="orders",
            full_name="x__orders",
            message_id=name,
            receipt=f"receipt of {name}",
            body="b" * size,
            text="t" * size,
            error_class="ValueError",
            error="e",
            traceback="Traceback",
            failed_at=timezone.now(),
            state="waiting",
        ),
    )


def stored():
    return dict(Failure.objects.values_list("message_id", "body"))


def test_failures_that_are_too_much_together_are_written_each(small_statements):
    FailureWriter().write([failure(str(n), 700_000) for n in range(6)])

    assert set(stored()) == {str(n) for n in range(6)}
    assert {len(body) for body in stored().values()} == {700_000}


def test_one_that_is_too_large_alone_is_written_without_its_body(small_statements, caplog):
    """Else its message would be held for ever, and what failed with it."""
    some = [failure("small", 10), failure("large", MOST_BYTES), failure("other", 10)]
    writer = FailureWriter()
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(OperationalError):
            writer.write(some)
        assert set(stored()) == {"small", "other"}
    writer.write(some)

    assert stored() == {"small": "b" * 10, "other": "b" * 10, "large": ""}
    row = Failure.objects.get(message_id="large")
    assert "could not be stored" in row.text
    assert row.traceback == "Traceback"


def test_many_large_messages_are_put_into_the_outbox(small_statements, prefix):
    django_sqs.register("large_rows", lambda message: None)
    sent = django_sqs.send_many("large_rows", ["b" * 200_000] * 60, outbox=True)
    django_sqs.receivers.queues.pop("large_rows")

    assert sent == OutboxMessage.objects.count() == 60


def test_a_dead_letter_that_is_too_large_stays_in_sqs_and_costs_no_other(
    small_statements, sqs, prefix, counts, caplog
):
    queue = django_sqs.register(
        "large_rows", lambda message: None, dead_letter_queue="large_rows-dead"
    )
    django_sqs.send("large_rows", body="alive")
    dead = f"{prefix}__large_rows-dead"
    url = sqs.get_queue_url(QueueName=dead)["QueueUrl"]
    # Quotes are escaped: what SQS takes is twice as much for MySQL.
    for body in ("one", "'" * 1_048_570, "three"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    try:
        assert sum(bury(Target(queue, None), limit=10)) > 0
    finally:
        django_sqs.receivers.queues.pop("large_rows")

    assert set(stored().values()) == {"one", "three"}
    assert sum(counts(dead)) == 1
    assert "and stays in SQS" in caplog.text


def test_failures_whose_attributes_are_too_much_together_are_written_at_once(small_statements):
    some = [failure(str(n), 10) for n in range(6)]
    for _, row in some:
        row.attributes = {"kept": {"DataType": "String", "StringValue": "b" * 900_000}}

    write_all(router.db_for_write(Failure), some)

    assert set(stored()) == {str(n) for n in range(6)}
