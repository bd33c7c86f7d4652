"""Batches of a FIFO queue: one message that stays harms none of those behind it."""

import pytest

from django_sqs_kombu import Middleware, Retry
from django_sqs_kombu.working import ADMITTED


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
