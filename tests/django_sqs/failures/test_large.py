"""Failed messages whose payload is in S3, or that are as large as SQS takes, are sent again."""

import itertools

import pytest

import django_sqs
from django_sqs.failures import burying
from django_sqs.failures.burying import bury
from django_sqs.failures.deciding import send_again
from django_sqs.failures.models import Failure, State
from django_sqs.operations.queues import targets
from django_sqs.registry import receivers as registry
from django_sqs_kombu import RawMessage

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LARGE = "x" * (1024 * 1024 + 1)


def names_of(count):
    return {f"a{number}": "x" for number in range(count)}


def test_with_ten_attributes_it_is_sent_again_without_its_id(mend, work, seen):
    mended = mend("l1")
    django_sqs.send("l1", body="one", attributes=names_of(10))
    work("l1")
    mended()
    decided = send_again(Failure.objects.all(), by="root", limit=10)
    work("l1")
    assert (decided.done, decided.refused, decided.why) == (1, 0, "")
    [(body, _, attributes, _)] = seen
    assert body == "one"
    assert set(attributes) == set(names_of(10))


def test_so_it_is_where_it_is_as_large_as_sqs_takes(mend, work, seen):
    mended = mend("l2", message_class=RawMessage, wire_format="raw")
    body = "x" * (1024 * 1024)
    django_sqs.send("l2", body=body)
    work("l2")
    mended()
    decided = send_again(Failure.objects.all(), by="root", limit=10)
    work("l2")
    assert (decided.done, decided.refused, decided.why) == (1, 0, "")
    [(found, _, attributes, _)] = seen
    assert (found, attributes) == (body, {})


@pytest.fixture
def s3(site, server, prefix, monkeypatch, s3):
    """The project has a bucket for large payloads."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    site.SQS_LARGE_PAYLOAD_BUCKET = prefix
    site.SQS_S3_ENDPOINT_URL = server.url
    registry.close()
    yield s3
    server.broken_bucket = None


def test_so_it_is_where_its_payload_is_in_s3(mend, work, seen, s3):
    mended = mend("l3")
    django_sqs.send("l3", body=LARGE, attributes=names_of(9))
    work("l3")
    mended()

    decided = send_again(Failure.objects.all(), by="root", limit=10)
    work("l3")

    assert (decided.done, decided.refused, decided.why) == (1, 0, "")
    [(body, _, attributes, _)] = seen
    assert body == LARGE
    assert set(names_of(9)) < set(attributes)


def test_a_dead_letter_is_not_taken_out_of_sqs_while_its_payload_cannot_be_read(
    mend, work, seen, s3, server, prefix, counts, monkeypatch, eventually
):
    """Its row had the pointer for a body, and sent again the receiver was given that."""
    mended = mend("l4", dead_letter=Exception, dead_letter_queue="l4-dead")
    django_sqs.send("l4", body=LARGE)
    django_sqs.send("l4", body="small")
    work("l4", 2)
    [target] = targets(registry.select(["l4"]))
    Failure.objects.all().delete()
    server.broken_bucket = prefix

    monkeypatch.setattr(burying, "HOLD", 2)

    assert sum(bury(target, limit=10)) == 1

    assert [row.text for row in Failure.objects.all()] == ["small"]
    assert sum(counts(f"{prefix}__l4-dead")) == 1
    server.broken_bucket = None
    eventually(lambda: sum(bury(target, limit=10)) == 1)
    mended()
    assert send_again(Failure.objects.all(), by="root", limit=10).done == 2
    work("l4")
    assert sorted((body for body, *_ in seen), key=len) == ["small", LARGE]
    assert {row.state for row in Failure.objects.all()} == {State.SENT}


def test_dead_letters_that_cannot_be_read_are_not_looked_at_for_ever(
    mend, work, s3, server, prefix, monkeypatch
):
    """While S3 hung, each was visible again before the next was found to be unreadable."""
    mend("l5", dead_letter=Exception, dead_letter_queue="l5-dead")
    django_sqs.send("l5", body=LARGE)
    django_sqs.send("l5", body="small")
    work("l5", 2)
    [target] = targets(registry.select(["l5"]))
    Failure.objects.all().delete()
    server.broken_bucket = prefix
    monkeypatch.setattr(burying, "HOLD", 0)

    looks = list(itertools.islice(burying.bury(target, limit=1_000), 10))

    assert len(looks) < 5
    assert sum(looks) == 1
