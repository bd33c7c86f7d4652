"""What a send asks of the registry, and what is kept from one send to the next."""

import warnings

import pytest

from django_sqs_kombu import Message, Receivers, UnknownSuffixWarning
from django_sqs_kombu.registration.queue import MOST_KEPT, RegisteredQueue
from django_sqs_kombu.registration.sender import Defaults


class CountingRegistry:
    """A sender that notes each visit."""

    tickets = None

    def __init__(self):
        self.visits = []
        self.sent = []
        self.now = Defaults("p", 60, "kombu")

    @property
    def defaults(self):
        self.visits.append("defaults")
        return self.now

    def send_one(self, registered, queue, outgoing):
        self.visits.append("send_one")
        self.sent.append((queue, outgoing))


@pytest.fixture
def registry():
    return CountingRegistry()


@pytest.fixture
def queue(registry):
    return RegisteredQueue("orders", suffixes=("eu",), dead_letter_queue="dead", receivers=registry)


def test_a_send_visits_the_registry_twice(queue, registry):
    queue.send(body="x")

    assert registry.visits == ["defaults", "send_one"]


def test_the_kombu_queue_is_made_once_for_each_suffix(queue, registry):
    for suffix in (None, "eu", None, "eu"):
        queue.send(Message(body="x"), suffix)

    plain, eu, plain_again, eu_again = [sent for sent, _ in registry.sent]
    assert plain is plain_again
    assert eu is eu_again
    assert (plain.name, eu.name) == ("p__orders", "p__orders__eu")


def test_other_defaults_of_the_registry_count_at_once(queue, registry):
    queue.send(body="x")
    registry.now = Defaults("other", 30, "raw")
    queue.send(body="x")

    (first, enveloped), (second, raw) = registry.sent
    assert (first.name, second.name) == ("p__orders", "other__orders")
    assert first.queue_arguments["VisibilityTimeout"] == "60"
    assert second.queue_arguments["VisibilityTimeout"] == "30"
    assert second.queue_arguments["x-dead-letter-queue"] == "other__dead"
    assert (enveloped.body, raw.body) == ("x", "eA==")
    assert queue.full_name() == "other__orders"
    assert queue.visibility_timeout == 30


def test_an_unknown_suffix_is_warned_of_at_each_send(queue):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            queue.send(Message(body="x"), "us")

    assert [each.category for each in caught] == [UnknownSuffixWarning] * 2
    assert {each.filename for each in caught} == {__file__}, "where the suffix was given"


def test_suffixes_made_at_run_time_do_not_fill_the_memory(queue):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(3 * MOST_KEPT):
            assert queue.get_queue(f"user-{number}").name == f"p__orders__user-{number}"

    assert len(queue._queues) <= MOST_KEPT


def test_one_producer_serves_all_sends_until_the_registry_is_closed(receivers, monkeypatch):
    made = []
    from django_sqs_kombu.registration import connection as module

    class Producer(module.kombu.Producer):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(module.kombu, "Producer", Producer)
    receivers.register("orders")
    for _ in range(3):
        receivers.send("orders", body="x")
    assert len(made) == 1

    receivers.close()
    receivers.send("orders", body="x")
    assert len(made) == 2


def test_a_registry_hands_out_its_defaults():
    receivers = Receivers(prefix="p", visibility_timeout=30, wire_format="raw")

    assert receivers.defaults == Defaults("p", 30, "raw")
    assert (receivers.prefix, receivers.visibility_timeout, receivers.wire_format) == (
        "p",
        30,
        "raw",
    )
