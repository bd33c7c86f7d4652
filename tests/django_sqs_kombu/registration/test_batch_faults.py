"""batch() while SQS or the network fails: each message is accounted for, and none is lost."""

import json

import pytest

from django_sqs_kombu import BatchFailed

from ...faults.proxy import ANSWERS, BROKEN, GARBAGE, PARTIAL

#: Faults after which SQS may have what its sender was told nothing of.
ANSWER_LOST = {*BROKEN, *GARBAGE, "error 500", "error 503"}
QUEUES = ("orders", "mail")


@pytest.fixture
def found(sqs, prefix):
    """How often each body is in the queues; they are empty then."""

    def found():
        bodies = []
        for name in QUEUES:
            url = sqs.get_queue_url(QueueName=f"{prefix}__{name}")["QueueUrl"]
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
                "Messages"
            ):
                for message in messages:
                    bodies.append(json.loads(message["Body"])["body"])
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    return found


def send(receivers, bodies):
    """Send in a batch, half to each queue; return what was not accepted."""
    queues = [receivers.get(name) for name in QUEUES]
    failed = None
    try:
        with receivers.batch():
            for number, body in enumerate(bodies):
                queues[number % 2].send(body=body)
    except BatchFailed as exc:
        failed = exc
    if failed is None:
        return []
    assert failed.sent == len(bodies) - len(failed.failures)
    return [failure.item for failure in failed.failures]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, None], ids=["once", "lasting"])
@pytest.mark.parametrize("mode", [*ANSWERS, *GARBAGE, *PARTIAL, *BROKEN])
def test_each_message_is_accepted_or_named_and_none_is_lost(fragile, proxy, found, mode, count):
    bodies = [f"body {number}" for number in range(60)]
    for name in QUEUES:
        fragile.register(name).send(body="made")
    assert sorted(found()) == ["made", "made"]

    proxy.set(mode, *(() if mode == "down" else ("SendMessageBatch",)), count=count, late=0.5)
    refused = send(fragile, bodies)
    proxy.heal()

    there = found()
    assert len(set(refused)) == len(refused)
    accepted = set(bodies) - set(refused)
    assert accepted <= set(there), "lost"
    if mode not in ANSWER_LOST:
        assert sorted(there) == sorted(accepted)

    # Whoever sends again what was named has sent it all.
    assert send(fragile, refused) == []
    assert set(there) | set(found()) == set(bodies)


@pytest.mark.slow
def test_a_receivers_timeout_during_the_sends_is_the_messages_alone(
    fragile, proxy, start, eventually
):
    orders = fragile.register("orders")
    orders.send(body="made")
    ends = []

    def receive(message):
        try:
            with fragile.batch():
                for number in range(5):
                    orders.send(body=f"{message.get_body()} {number}")
        except BaseException as exc:
            ends.append(type(exc).__name__)
            raise
        ends.append("sent")

    work = fragile.register("work", receive, timeout=1)
    proxy.set("hung", "SendMessageBatch", count=1)
    work.send(body="first")
    start(fragile, queues=[work])
    eventually(lambda: len(ends) == 1)
    work.send(body="second")
    eventually(lambda: ends[-1] == "sent")

    assert ends[0] in ("TimedOut", "BatchFailed")
