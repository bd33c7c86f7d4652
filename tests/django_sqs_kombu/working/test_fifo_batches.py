"""Batches of a FIFO queue: one message that stays harms none of those behind it."""

import pytest

from django_sqs_kombu import Middleware, Retry
from django_sqs_kombu.working import ADMITTED

LARGE = "x" * (1024 * 1024 + 1)


@pytest.fixture
def one_try(monkeypatch):
    """botocore's own tries would only make the test longer."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def transport_options(transport_options):
    """What fails soon comes again."""
    return {**transport_options, "backoff_max": 1}


class Tries(Middleware):
    """Notes each message that is received, and its receive count."""

    def __init__(self):
        self.seen = []

    def admit(self, registered, delivery):
        self.seen.append((delivery.text, delivery.receive_count))
        return ADMITTED


@pytest.fixture
def seen(receivers):
    tries = Tries()
    receivers.middleware.append(tries)
    return tries.seen


def receiver(bad):
    """Make a receiver of batches that does *bad* to the message of that name."""

    def receive(messages):
        for message in messages:
            if message.get_body() == "bad":
                bad(message)

    return receive


def fails(message):
    message.fail(ValueError("bad"))


def is_restarted(message):
    message.restart(0)


@pytest.mark.parametrize("bad", [fails, is_restarted])
def test_good_messages_behind_a_bad_one_come_to_no_dead_letters(
    receivers, start, eventually, counts, seen, bad
):
    receivers.register("dead.fifo")
    queue = receivers.register(
        "e.fifo",
        receiver(bad),
        batch=10,
        dead_letter_queue="dead.fifo",
        max_receives=2,
        visibility_timeout=1,
    )
    for body in ("bad", "good", "better"):
        receivers.send("e.fifo", body=body, group_id="a")

    start(receivers, queues=[queue])

    eventually(lambda: ("better", 1) in seen)
    assert seen == [("bad", 1), ("bad", 2), ("good", 1), ("better", 1)]
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert counts(receivers.get("dead.fifo").full_name()) == (1, 0, 0)


def test_the_tries_of_one_are_not_those_of_the_messages_behind_it(
    receivers, start, eventually, counts, seen
):
    queue = receivers.register("e.fifo", receiver(fails), batch=10, retry=Retry(tries=3, backoff=0))
    for body in ("bad", "good", "better"):
        receivers.send("e.fifo", body=body, group_id="a")

    start(receivers)

    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert seen == [("bad", 1), ("bad", 2), ("bad", 3), ("good", 1), ("better", 1)]


@pytest.mark.usefixtures("one_try")
def test_a_payload_that_cannot_be_read_now_is_not_overtaken(
    large, server, sqs, prefix, start, eventually
):
    """All of its group came while another batch ran, so that they are gathered at once."""
    batches = []

    def receive(messages):
        batches.append([message.get_body()[:2] for message in messages])
        if "b1" in batches[-1]:
            sqs.change_message_visibility(**first, VisibilityTimeout=0)
            held = consumer.under_way()[0].channel.held
            eventually(lambda: (held.waiting(name), held.startable(name)) == (3, 1), 8)
            server.broken_bucket = None

    queue = large.register("e.fifo", receive, batch=10)
    name = queue.full_name()
    for body in ("a1", LARGE, "a3"):
        large.send("e.fifo", body=body, group_id="a")
    # While it is hidden its group is.
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    [hidden] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)["Messages"]
    first = {"QueueUrl": url, "ReceiptHandle": hidden["ReceiptHandle"]}
    for body in ("b0", "b1"):
        large.send("e.fifo", body=body, group_id="b")
    server.broken_bucket = prefix
    try:
        consumer, _ = start(large)

        eventually(lambda: sum(map(len, batches)) == 5, 15)
    finally:
        server.broken_bucket = None
    assert [body for batch in batches for body in batch] == ["b0", "b1", "a1", "xx", "a3"]
