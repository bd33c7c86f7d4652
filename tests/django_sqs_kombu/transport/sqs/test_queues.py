"""Queues are created as declared; an existing one that differs is reported and left."""

import json

import pytest

from django_sqs_kombu import ConfigurationError, ReceiverConsumer


def attributes(sqs, name):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_dead_letter_queue_is_created_and_attached(receivers, sqs, prefix):
    queue = receivers.register("orders", print, dead_letter_queue="dead", max_receives=3)

    receivers.send("orders", body="x")

    policy = json.loads(attributes(sqs, queue.full_name())["RedrivePolicy"])
    dead = attributes(sqs, f"{prefix}__dead")
    assert policy["deadLetterTargetArn"] == dead["QueueArn"]
    assert int(policy["maxReceiveCount"]) == 3


def test_a_failing_message_ends_in_the_dead_letter_queue(receivers, counts, prefix, eventually):
    runs = []

    def fail(message):
        runs.append(message.attributes["ApproximateReceiveCount"])
        raise ValueError

    receivers.register(
        "orders", fail, visibility_timeout=1, dead_letter_queue="dead", max_receives=2
    )
    receivers.send("orders", body="x")

    ReceiverConsumer(receivers, message_limit=2).run()

    assert runs == ["1", "2"]
    queue = receivers.get("orders")
    eventually(lambda: queue.receive_single() is None and counts(f"{prefix}__dead")[0] == 1)


def test_tags_and_key(receivers, sqs):
    queue = receivers.register(
        "orders", print, tags={"team": "shop"}, kms_key="alias/aws/sqs", visibility_timeout=7
    )

    receivers.send("orders", body="x")

    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "shop"}
    made = attributes(sqs, queue.full_name())
    assert made["KmsMasterKeyId"] == "alias/aws/sqs"
    assert made["VisibilityTimeout"] == "7"


def test_one_that_another_process_makes_meanwhile_is_used_as_it_is(receivers, sqs, caplog):
    queue = receivers.register("orders", visibility_timeout=60)
    requests = receivers.channel().requests
    create = requests.client(queue.full_name()).create_queue

    def be_late(**parameters):
        sqs.create_queue(QueueName=queue.full_name(), Attributes={"VisibilityTimeout": "2"})
        return create(**parameters)

    requests.client(queue.full_name()).create_queue = be_late
    receivers.send("orders", body="x")

    assert attributes(sqs, queue.full_name())["VisibilityTimeout"] == "2"
    assert attributes(sqs, queue.full_name())["ApproximateNumberOfMessages"] == "1"


def test_a_mismatch_is_reported_once_and_left(receivers, sqs, caplog):
    queue = receivers.register(
        "orders", lambda m: None, visibility_timeout=5, dead_letter_queue="dead"
    )
    sqs.create_queue(QueueName=queue.full_name(), Attributes={"VisibilityTimeout": "99"})
    receivers.send_many("orders", ["a", "b"])

    ReceiverConsumer(receivers, message_limit=2).run()

    assert caplog.text.count("exists with VisibilityTimeout = 99, but is declared with 5") == 1
    assert "exists with RedrivePolicy = nothing" in caplog.text
    assert attributes(sqs, queue.full_name())["VisibilityTimeout"] == "99"


def test_a_queue_that_cannot_be_compared_is_used_all_the_same(receivers, sqs, server, caplog):
    queue = receivers.register("orders", lambda m: None, visibility_timeout=5)
    receivers.send("orders", body="x")
    receivers.close()

    server.faults["GetQueueAttributes", queue.full_name()] = (400, "InvalidAddress")
    ReceiverConsumer(receivers, message_limit=1).run()

    del server.faults["GetQueueAttributes", queue.full_name()]
    assert attributes(sqs, queue.full_name())["ApproximateNumberOfMessages"] == "0"


def test_a_queue_as_declared_is_not_reported(receivers, caplog):
    receivers.register("orders", lambda m: None, dead_letter_queue="dead", max_receives=3)
    receivers.send("orders", body="x")

    ReceiverConsumer(receivers, message_limit=1).run()

    assert "exists with" not in caplog.text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_receives": 3}, "only with a dead_letter_queue"),
        ({"dead_letter_queue": "dead", "max_receives": 0}, "1 to 1,000"),
        ({"dead_letter_queue": "dead", "max_receives": 1_001}, "1 to 1,000"),
        ({"dead_letter_queue": "dead.fifo"}, "does not fit"),
        ({"dead_letter_queue": "a b"}, "letters, digits"),
    ],
)
def test_declarations_that_cannot_work(receivers, options, says):
    with pytest.raises(ConfigurationError, match=says):
        receivers.register("orders", print, **options)


def test_dead_letters_are_kept_as_long_as_sqs_can(receivers, sqs, prefix):
    receivers.register("orders", print, dead_letter_queue="dead")

    receivers.send("orders", body="x")

    assert attributes(sqs, f"{prefix}__dead")["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    assert attributes(sqs, f"{prefix}__orders")["MessageRetentionPeriod"] == str(4 * 24 * 3600)


def test_a_dead_letter_queue_that_was_there_is_left_as_it_is(receivers, sqs, prefix):
    sqs.create_queue(QueueName=f"{prefix}__dead", Attributes={"MessageRetentionPeriod": "3600"})
    receivers.register("orders", print, dead_letter_queue="dead")

    receivers.send("orders", body="x")

    dead = attributes(sqs, f"{prefix}__dead")
    assert dead["MessageRetentionPeriod"] == "3600"
    assert "RedriveAllowPolicy" not in dead


def test_without_the_permission_to_restrict_it_a_dead_letter_queue_is_used_all_the_same(
    receivers, sqs, prefix, server
):
    receivers.register("orders", print, dead_letter_queue="dead")

    with server.refusing("SetQueueAttributes", f"{prefix}__dead"):
        receivers.send("orders", body="x")

    assert "RedrivePolicy" in attributes(sqs, f"{prefix}__orders")
