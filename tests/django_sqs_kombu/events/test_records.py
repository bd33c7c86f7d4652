"""An event of several records: one call, tries of its own and an end of its own for each."""

import json
import logging
import threading
from collections import Counter

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.events import DynamoDBRecord, S3Event, SESEvent
from django_sqs_kombu.testing import eager
from django_sqs_kombu.transport.sending.trail import Trail

from . import samples


@pytest.fixture
def consume():
    def consume(receivers, count):
        consumer = ReceiverConsumer(receivers, message_limit=count)
        guard = threading.Timer(20, consumer.stop)
        guard.start()
        consumer.run()
        assert guard.is_alive(), "the messages did not come"
        guard.cancel()

    return consume


@pytest.fixture
def seen():
    return []


@pytest.fixture
def uploads(receivers, seen):
    return receivers.register(
        "uploads",
        lambda message: seen.append(message.key),
        message_class=S3Event,
        wire_format="raw",
        dead_letter_queue="dead",
    )


@pytest.mark.parametrize("wrap", [lambda event: event, samples.by_sns], ids=["", "sns"])
def test_each_record_is_received_by_itself(receivers, uploads, seen, consume, counts, wrap):
    keys = [f"file+{number}" for number in range(12)]
    uploads.send(body=wrap(samples.s3_of(*keys)))

    consume(receivers, 13)

    assert sorted(seen) == sorted(f"file {number}" for number in range(12))
    assert counts(uploads.full_name()) == counts(receivers.prefix + "__dead") == (0, 0, 0)


def test_a_record_that_fails_takes_no_other_with_it(receivers, seen, consume, sqs):
    def import_file(message):
        seen.append((message.key, Trail.of(message.message_attributes).id))
        if message.key == "bad":
            raise ValueError("no picture")

    queue = receivers.register(
        "uploads",
        import_file,
        message_class=S3Event,
        wire_format="raw",
        dead_letter_queue="dead",
        dead_letter=ValueError,
    )
    queue.send(body=samples.s3_of("a", "bad", "c"))

    consume(receivers, 4)

    assert sorted(key for key, _ in seen) == ["a", "bad", "c"]
    assert [known_as[-2:] for _, known_as in sorted(seen)] == [".1", ".2", ".3"]
    url = sqs.get_queue_url(QueueName=receivers.prefix + "__dead")["QueueUrl"]
    [dead] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(dead["Body"]) == samples.s3_of("bad")


def test_a_test_event_reaches_no_receiver(receivers, uploads, seen, consume, counts, caplog):
    with caplog.at_level(logging.INFO, "django_sqs_kombu"):
        uploads.send(body=samples.S3_TEST)
        uploads.send(body=samples.by_sns(samples.S3_TEST))
        consume(receivers, 2)

    assert seen == []
    assert counts(uploads.full_name()) == counts(receivers.prefix + "__dead") == (0, 0, 0)
    assert caplog.text.count("only tries the way") == 2


@pytest.mark.parametrize("trial", [samples.SES_TRIAL, samples.SES_SUBSCRIBED], ids=["set", "id"])
def test_the_trial_of_ses_reaches_no_receiver(receivers, seen, consume, counts, trial):
    queue = receivers.register("mails", seen.append, message_class=SESEvent)
    queue.send(body=samples.by_sns(trial))
    consume(receivers, 1)

    assert seen == []
    assert counts(queue.full_name()) == (0, 0, 0)


@pytest.mark.parametrize("fault", ["denied", "half failed"])
def test_records_that_sqs_does_not_take_stay_with_their_event(
    fragile, proxy, start, eventually, caplog, counts, fault
):
    seen = Counter()
    queue = fragile.register(
        "uploads",
        lambda message: seen.update([(message.key, Trail.of(message.message_attributes).id)]),
        message_class=S3Event,
        wire_format="raw",
    )
    queue.send(body=samples.s3_of("a", "b", "c"))
    if fault == "denied":
        proxy.denied.add(queue.full_name())
    else:
        proxy.set(fault, "SendMessageBatch")
    start(fragile)
    eventually(lambda: "could not be sent one by one" in caplog.text)
    proxy.denied.clear()
    proxy.heal()

    eventually(lambda: len(seen) >= 3)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    # What came twice, since its neighbour was refused, has the id that it had.
    assert sorted(key for key, _ in seen) == ["a", "b", "c"]


def test_a_fifo_queue_keeps_its_order_and_splits_nothing(receivers, seen, consume, sqs):
    queue = receivers.register(
        "changes.fifo",
        lambda message: seen.append(message.get_body()["Id"]),
        message_class=DynamoDBRecord,
        wire_format="raw",
        dead_letter_queue="dead.fifo",
        max_receives=1,
    )
    several = json.dumps([samples.DYNAMODB, samples.DYNAMODB])
    queue.send(body=several, group_id="a")
    queue.send(body=samples.DYNAMODB, group_id="b")

    consume(receivers, 2)

    assert seen == [101]


def test_what_is_deleted_on_start_is_split_before(receivers, seen, consume, counts):
    queue = receivers.register(
        "uploads",
        lambda message: seen.append(message.key),
        message_class=S3Event,
        delete_on_start=True,
    )
    queue.send(body=samples.s3_of("a", "b"))
    consume(receivers, 3)

    assert sorted(seen) == ["a", "b"]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_records_are_received_at_once_in_eager_mode(receivers, uploads, seen):
    with eager(receivers):
        uploads.send(body=samples.s3_of("a", "b+c"))
        uploads.send(body=samples.S3_TEST)

    assert seen == ["a", "b c"]
