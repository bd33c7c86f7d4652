"""Policies at a real server: what fails is tried, discarded and buried, and nothing is lost."""

import json
import logging
import threading
from collections import Counter

import pytest

from django_sqs_kombu import ReceiverConsumer, RestartLater, Retry
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.working import Failure


class Timeout(Exception):
    pass


@pytest.fixture
def run(receivers):
    """Consume until *done* is true."""

    def run(done, **options):
        consumer = ReceiverConsumer(receivers, **options)
        running = threading.Thread(target=consumer.run, daemon=True)
        running.start()
        waited = threading.Event()
        for _ in range(300):
            if done():
                break
            waited.wait(0.1)
        consumer.stop()
        running.join(20)
        assert not running.is_alive()
        assert done(), "it did not come to its end"

    return run


@pytest.fixture
def dead_letters(receivers, sqs):
    """The messages of a dead-letter queue."""

    def dead_letters(name="dead"):
        url = sqs.get_queue_url(QueueName=f"{receivers.prefix}__{name}")["QueueUrl"]
        found = []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            found += messages
        return found

    return dead_letters


def test_what_fails_is_tried_so_often_and_then_buried_with_the_reason(receivers, run, dead_letters):
    seen = []

    def fail(message):
        seen.append(message.get_body())
        raise Timeout("the API is away")

    queue = receivers.register(
        "orders",
        fail,
        retry=Retry(Timeout, tries=3, backoff=0),
        dead_letter_queue="dead",
        # Fewer than the tries: SQS would bury it before.
        max_receives=2,
    )
    queue.send(body="x", attributes={"mine": "kept"})

    run(lambda: len(seen) == 3)

    assert seen == ["x"] * 3
    [letter] = dead_letters()
    failure = Failure.read(letter["MessageAttributes"])
    assert failure.error.endswith("test_policies.Timeout")
    assert failure.text == "the API is away"
    assert "in fail" in failure.traceback
    assert failure.queue == queue.full_name()
    assert failure.sent <= failure.failed
    assert letter["MessageAttributes"]["mine"]["StringValue"] == "kept"
    # It has all its tries again when it comes back.
    trail = Trail.of(letter["MessageAttributes"])
    assert (trail.id, trail.tries, trail.restarts) == (failure.id, 0, 0)


def test_tries_need_no_dead_letter_queue(receivers, run, counts):
    seen = []

    def fail(message):
        seen.append(1)
        raise Timeout

    queue = receivers.register("orders", fail, retry=Retry(Timeout, tries=3, backoff=0))
    queue.send(body="x")

    run(lambda: len(seen) == 3 and sum(counts(queue.full_name())) == 0)

    assert len(seen) == 3


def test_a_polite_restart_is_no_try(receivers, run, counts):
    seen = []

    def receive(message):
        seen.append(1)
        # Four restarts and two failures, of which the last is the third try.
        if len(seen) in (1, 2, 4, 5):
            raise RestartLater(0)
        raise Timeout

    queue = receivers.register("orders", receive, retry=Retry(Timeout, tries=3, backoff=0))
    queue.send(body="x")

    run(lambda: len(seen) == 7 and sum(counts(queue.full_name())) == 0)


def test_the_order_of_a_group_survives_its_retries(receivers, run, counts, dead_letters):
    done, tried = [], Counter()

    def receive(message):
        body = message.get_body()
        tried[body] += 1
        if body in ("b", "d") and (body == "d" or tried[body] < 3):
            raise Timeout
        done.append(body)

    queue = receivers.register(
        "orders.fifo",
        receive,
        retry=Retry(Timeout, tries=4, backoff=0),
        dead_letter_queue="dead.fifo",
        max_receives=10,
    )
    for body in "abcde":
        queue.send(body=body, group_id="one")

    run(lambda: sum(counts(queue.full_name())) == 0)

    assert done == ["a", "b", "c", "e"]
    assert (tried["b"], tried["d"]) == (3, 4)
    [letter] = dead_letters("dead.fifo")
    assert letter["Attributes"]["MessageGroupId"] == "one"


def test_a_large_payload_of_a_dead_letter_outlives_the_message(large, start, sqs, keys):
    """The object in S3 is deleted with the received message, so the dead letter has its own."""

    def fail(message):
        raise Timeout

    large.register("orders", fail, dead_letter=Timeout, dead_letter_queue="dead")
    large.send("orders", body="x" * 1_200_000)
    [before] = keys()
    received = []
    dead = large.register("dead", lambda message: received.append(message.get_body()))
    start(large, queues=[large.get("orders"), dead])

    waited = threading.Event()
    for _ in range(200):
        if received and not keys():
            break
        waited.wait(0.1)

    assert [len(body) for body in received] == [1_200_000]
    assert before not in keys()


@pytest.mark.parametrize(("receives", "warned"), [(2, True), (5, False)])
def test_a_worker_warns_at_its_start_of_tries_that_sqs_cuts_short(
    receivers, run, sqs, caplog, receives, warned
):
    queue = receivers.register("orders.fifo", print, retry=Retry(Timeout, tries=5))
    name = queue.full_name()
    dead = sqs.create_queue(QueueName=f"dead-{name}", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": str(receives)}
    attributes = {"FifoQueue": "true", "RedrivePolicy": json.dumps(policy)}
    sqs.create_queue(QueueName=name, Attributes=attributes)

    caplog.set_level(logging.INFO, logger="django_sqs_kombu")
    run(lambda: "Receiving from" in caplog.text)

    told = [record.getMessage() for record in caplog.records if "maxReceiveCount" in record.msg]
    assert len(told) == warned
