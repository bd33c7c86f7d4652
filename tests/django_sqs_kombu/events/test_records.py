"""An event of several records: one call, tries of its own and an end of its own for each."""

import json
import logging
import threading

import pytest

from django_sqs_kombu import Middleware, ReceiverConsumer
from django_sqs_kombu.events import DynamoDBRecord, S3Event, SESEvent
from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.testing import eager
from django_sqs_kombu.transport import Note
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.working.failure import Failure
from django_sqs_kombu.working.table import Action

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
    assert caplog.text.count("only tests the way") == 2


@pytest.mark.parametrize("trial", [samples.SES_TRIAL, samples.SES_SUBSCRIBED], ids=["set", "id"])
def test_the_trial_of_ses_reaches_no_receiver(receivers, seen, consume, counts, trial):
    queue = receivers.register("mails", seen.append, message_class=SESEvent)
    queue.send(body=samples.by_sns(trial))
    consume(receivers, 1)

    assert seen == []
    assert counts(queue.full_name()) == (0, 0, 0)


def test_records_that_sqs_does_not_take_stay_with_their_event(
    fragile, proxy, start, eventually, caplog, counts
):
    seen = []
    queue = fragile.register(
        "uploads",
        lambda message: seen.append(message.key),
        message_class=S3Event,
        wire_format="raw",
    )
    queue.send(body=samples.s3_of("a", "b", "c"))
    proxy.denied.add(queue.full_name())
    start(fragile)
    eventually(lambda: "could not be sent one by one" in caplog.text)
    proxy.denied.clear()

    eventually(lambda: len(seen) >= 3)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert sorted(seen) == ["a", "b", "c"]


@pytest.fixture
def fail_entries(server):
    """Have SQS not take entries of the next requests to send: (place, code, sender's fault)."""
    return lambda queue, *requests: server.failed_entries.update(
        {("SendMessageBatch", queue.full_name()): [list(each) for each in [*requests, *[()] * 50]]}
    )


@pytest.fixture
def known(receivers, uploads):
    """The keys that a receiver has seen, and the ends of the ids that they had."""
    seen = []
    uploads.receiver = lambda message: seen.append(
        (message.key, Trail.of(message.message_attributes).id.partition(".")[2])
    )
    return seen


#: What sending a batch does not try again by itself.
AWAY = "KmsDisabled", True
REFUSED = "InvalidParameterValue", True


@pytest.mark.parametrize("wrap", [lambda event: event, samples.by_sns], ids=["", "sns"])
def test_what_is_left_of_an_event_comes_as_one_and_nothing_comes_twice(
    receivers, uploads, known, fail_entries, consume, counts, wrap
):
    uploads.send(body=wrap(samples.s3_of("a", "b", "c", "d")))
    fail_entries(uploads, [(1, *AWAY), (2, *AWAY)])

    consume(receivers, 6)

    assert sorted(known) == [("a", "1"), ("b", "2+.1"), ("c", "2+.2"), ("d", "4")]
    assert counts(uploads.full_name()) == counts(receivers.prefix + "__dead") == (0, 0, 0)


def test_the_one_record_that_is_left_keeps_its_id(
    receivers, uploads, known, fail_entries, consume, counts
):
    uploads.send(body=samples.s3_of("a", "b"))
    fail_entries(uploads, [(1, *AWAY)])

    consume(receivers, 3)

    assert sorted(known) == [("a", "1"), ("b", "2")]
    assert counts(uploads.full_name()) == (0, 0, 0)


def test_what_comes_twice_since_the_rest_was_not_taken_has_the_id_that_it_had(
    receivers, uploads, known, fail_entries, start, eventually, caplog, counts, server
):
    uploads.send(body=samples.s3_of("a", "b"))
    fail_entries(uploads, [(1, *AWAY)])
    single = "SendMessage", uploads.full_name()
    server.faults[single] = 400, "AccessDenied"
    start(receivers)
    eventually(lambda: "could not be sent one by one" in caplog.text)
    server.faults.pop(single)

    eventually(lambda: len(known) >= 3)
    eventually(lambda: counts(uploads.full_name()) == (0, 0, 0))
    assert sorted(known) == [("a", "1"), ("a", "1"), ("b", "2")]


class Once(dict):
    """Faults of which each is answered once."""

    def get(self, key, default=None):
        return self.pop(key, default)


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied"])
def test_where_what_is_left_is_refused_once_for_its_sender_nothing_comes_twice(
    receivers, uploads, known, fail_entries, consume, counts, server, monkeypatch, code
):
    """A key that is exchanged between the two requests, a clock, a policy."""
    uploads.send(body=samples.s3_of("a", "b"))
    fail_entries(uploads, [(1, *AWAY)])
    monkeypatch.setattr(server, "faults", Once({("SendMessage", uploads.full_name()): (400, code)}))

    consume(receivers, 3)

    assert not server.faults
    assert sorted(known) == [("a", "1"), ("b", "2")]
    assert counts(uploads.full_name()) == (0, 0, 0)


def test_a_record_that_sqs_refuses_is_a_dead_letter_alone(
    receivers, uploads, seen, fail_entries, consume, counts, sqs
):
    uploads.send(body=samples.s3_of("a", "bad", "c", "d"))
    fail_entries(uploads, [(1, *REFUSED), (2, *AWAY)])

    consume(receivers, 4)

    assert sorted(seen) == ["a", "c", "d"]
    assert counts(uploads.full_name()) == (0, 0, 0)
    url = sqs.get_queue_url(QueueName=receivers.prefix + "__dead")["QueueUrl"]
    [dead] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert json.loads(dead["Body"]) == samples.s3_of("bad")
    assert Trail.of(dead["MessageAttributes"]).id.endswith(".2")
    assert Failure.read(dead["MessageAttributes"]).error.endswith("RequestFailed")


def test_a_record_that_no_queue_takes_is_in_the_log(
    receivers, seen, fail_entries, consume, counts, caplog
):
    queue = receivers.register(
        "uploads", lambda message: seen.append(message.key), message_class=S3Event
    )
    queue.send(body=samples.s3_of("a", "bad"))
    fail_entries(queue, [(1, *REFUSED)])

    consume(receivers, 2)

    assert seen == ["a"]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert "is dropped: no dead-letter queue takes it" in caplog.text
    assert "bad" in caplog.text


class Written:
    """Writes notes, and remembers how many messages the queue had then, visible or not."""

    def __init__(self, count):
        self.notes = []
        self._count = count

    def write(self, contents):
        self.notes += [(each, self._count()) for each in contents]

    def rest(self): ...


@pytest.mark.parametrize("dead", ["dead", None])
def test_a_record_that_sqs_refuses_is_told_as_a_failure_and_noted_before_the_rest_is_settled(
    receivers, seen, fail_entries, consume, counts, dead
):
    queue = receivers.register(
        "uploads",
        lambda message: seen.append(message.key),
        message_class=S3Event,
        wire_format="raw",
        dead_letter_queue=dead,
    )
    written, told = Written(lambda: sum(counts(queue.full_name()))), []

    class Noting(Middleware):
        def failing(self, settlement):
            told.append(settlement)
            settlement.delivery.also_note(Note(written, settlement.delivery.text))

    receivers.middleware.append(Noting())
    queue.send(body=samples.s3_of("a", "bad", "worse"))
    fail_entries(queue, [(1, *REFUSED), (2, *REFUSED)])

    consume(receivers, 2)

    assert seen == ["a"]
    bodies = [json.loads(each.delivery.text) for each in told]
    assert bodies == [samples.s3_of("bad"), samples.s3_of("worse")]
    assert {each.action for each in told} == {Action.DEAD_LETTER if dead else Action.REJECT}
    assert {each.operation for each in told} == {"dead_letter" if dead else "reject"}
    assert all(isinstance(each.raised, RequestFailed) for each in told)
    receipts = {each.delivery.sqs_message["ReceiptHandle"] for each in told}
    assert len(receipts) == 2
    assert [json.loads(text) for text, _ in written.notes] == bodies
    # The whole was there still; "a" is received behind it.
    assert all(count >= 1 for _, count in written.notes)
    assert counts(queue.full_name()) == (0, 0, 0)


def test_an_event_of_which_sqs_takes_nothing_is_a_dead_letter(
    receivers, uploads, seen, fail_entries, consume, counts
):
    uploads.send(body=samples.s3_of("a", "b"))
    fail_entries(uploads, *[[(0, *REFUSED), (1, *REFUSED)]] * 10)

    consume(receivers, 1)

    assert seen == []
    assert counts(uploads.full_name())[0] == 0


def test_a_record_that_grows_too_large_takes_no_other_with_it(
    receivers, seen, consume, counts, sqs
):
    queue = receivers.register(
        "changes",
        lambda message: seen.append(message.get_body()["Id"]),
        message_class=DynamoDBRecord,
    )
    queue.send(body=samples.DYNAMODB)
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    record = json.dumps(samples.DYNAMODB)
    # No program writes its numbers as another did.
    odd = record[:-1] + ', "odd": [' + ",".join(["1E15"] * 100_000) + "]}"
    text = record.replace("This item", "\u6f22" * 200_000).replace("101", "102")
    sqs.send_message(QueueUrl=url, MessageBody=f"[{text}, {record}]")
    sqs.send_message(QueueUrl=url, MessageBody=f"[{record.replace('101', '103')}, {odd}]")

    consume(receivers, 6)

    assert sorted(seen) == [101, 101, 102, 103]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_parts_of_an_event_with_a_long_id_have_ids_of_their_own(
    receivers, seen, consume, counts, sqs
):
    queue = receivers.register(
        "uploads",
        lambda message: seen.append(Trail.of(message.message_attributes).id),
        message_class=S3Event,
    )
    queue.send(body=samples.S3)
    trail = Trail(id="x" * 100).attribute()
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"],
        MessageBody=json.dumps(samples.s3_of("a", "b")),
        MessageAttributes={"django_sqs.trail": trail},
    )

    consume(receivers, 4)

    assert len(set(seen)) == 3


def test_no_payload_stays_in_s3_of_a_record_that_sqs_refuses(
    large, seen, fail_entries, consume, counts, keys
):
    queue = large.register(
        "uploads", lambda message: seen.append(message.key), message_class=S3Event
    )
    event = samples.s3_of("a", "b")
    for record in event["Records"]:
        record["more"] = "x" * 1_100_000
    queue.send(body=event)
    fail_entries(queue, [(1, *REFUSED)])

    consume(large, 2)

    assert seen == ["a"]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert keys() == []


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
