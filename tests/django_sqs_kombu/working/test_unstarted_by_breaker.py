"""What a breaker gives back: where receives count, it is sent again, so that none is lost by it."""

import time
from types import SimpleNamespace

import pytest

from django_sqs_kombu import Breaker, Receivers, Retry
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.transport.sqs.pauses import BREAKER_TAG, TAG, Pause
from django_sqs_kombu.working.batch_crew import BatchCrew
from django_sqs_kombu.working.circuits import Circuits
from django_sqs_kombu.working.gate import Gate

from .fakes import FakeDelivery, refused


class FakeChannel:
    def __init__(self, redrives):
        returns = type("Returns", (), {"redrives": redrives})
        self.pollers = {name: type("Poller", (), {"returns": returns}) for name in ("q", "q.fifo")}
        self.given_back = []

    def give_back_waiting(self, queue):
        self.given_back.append(queue)


@pytest.fixture
def tripped():
    """A queue whose breaker has opened, its circuits and its channel."""

    def make(name="q", *, redrives=True, **options):
        receivers = Receivers("sqs-batch://")
        registered = receivers.register(name, print, breaker=Breaker(of=1), **options)
        circuits, channel = Circuits(receivers), FakeChannel(redrives)
        circuits.limit(registered, name, channel)
        circuits.ended(name, OSError())
        assert circuits.is_open(name)
        return registered, circuits, channel

    return make


def test_what_is_refused_is_sent_again_with_all_its_tries(tripped):
    registered, circuits, channel = tripped()
    delivery = FakeDelivery(queue="q", redrive=True, receive_count=3)

    circuits.give_back(registered, delivery, stops=False)

    [entry] = delivery.sent
    trail = Trail.of(entry["MessageAttributes"])
    assert (trail.tries, trail.restarts) == (2, 1)
    assert entry.get("DelaySeconds", 0) == 0
    assert [name for name, *_ in delivery.done] == ["ack"]
    # What waits comes to the consumer, which refuses it.
    assert channel.given_back == []


@pytest.mark.parametrize(
    ("name", "options", "given"),
    [
        ("q", {"redrive": False}, {}),
        ("q.fifo", {"redrive": True}, {}),
        ("q", {"redrive": True, "failing": {"SendMessage": refused("away")}}, {}),
        ("q", {"redrive": True, "age": 5 * 86_400}, {}),
        ("q", {"redrive": True}, {"stops": True}),
    ],
    ids=[
        "receives do not count",
        "its group has an order",
        "SQS is away",
        "too old",
        "a stop waits",
    ],
)
def test_else_it_is_given_back(tripped, name, options, given):
    registered, circuits, channel = tripped(name, redrives=options["redrive"])
    delivery = FakeDelivery(queue=name, **options)

    circuits.give_back(registered, delivery, **{"stops": False, **given})

    assert (delivery.sent, [name for name, *_ in delivery.done]) == ([], ["release"])
    sent_again = options["redrive"] and name == "q"
    assert channel.given_back == ([] if sent_again else [name])


def test_what_others_may_have_by_now_is_not_sent_again(tripped):
    registered, circuits, _ = tripped()
    delivery = FakeDelivery(queue="q", redrive=True)
    delivery.expired = True

    circuits.give_back(registered, delivery, stops=False)

    assert (delivery.sent, [name for name, *_ in delivery.done]) == ([], ["abandon"])


@pytest.mark.parametrize(
    ("name", "tags", "kept"),
    [
        ("q", {BREAKER_TAG: "2026-01-01T00:00:00Z/2126-01-01T00:00:00Z it is away"}, True),
        ("q", {TAG: "yes"}, False),
        ("q.fifo", {BREAKER_TAG: "2026-01-01T00:00:00Z/2126-01-01T00:00:00Z it is away"}, False),
    ],
    ids=["another's breaker", "a person", "its group has an order"],
)
def test_a_pause_of_another_processs_breaker_leaves_what_waits_to_the_consumer(name, tags, kept):
    receivers = Receivers("sqs-batch://")
    registered = receivers.register(name, print, breaker=Breaker(shared=True))
    circuits = Circuits(receivers)
    circuits.limit(registered, name, FakeChannel(redrives=True))

    assert circuits.keeps(registered, name, Pause.of(tags)) == kept
    # Else it would be started.
    assert circuits.refuses(name) or not kept


def test_a_pause_that_is_told_late_keeps_no_breaker_open():
    """A middleware before may take its time: the message that was tried counted for nothing."""
    receivers = Receivers("sqs-batch://")
    registered = receivers.register("q", print, breaker=Breaker(shared=True))
    circuits = Circuits(receivers)
    limit = circuits.limit(registered, "q", FakeChannel(redrives=True))
    pause = SimpleNamespace(by_breaker=True, seconds_left=lambda: 0.0)
    circuits.keeps(registered, "q", pause)
    assert limit.reserve(10) == 1

    circuits.paused(registered, pause)

    assert not circuits.refuses("q")
    circuits.ended("q", None)
    assert not circuits.is_open("q")


def test_a_receive_also_counts_where_messages_have_tries(tripped):
    registered, circuits, channel = tripped(redrives=False, retry=Retry(tries=3))
    delivery = FakeDelivery(queue="q", redrive=False)

    circuits.give_back(registered, delivery, stops=False)

    assert (len(delivery.sent), channel.given_back) == (1, [])


@pytest.mark.parametrize(
    ("name", "options", "redrives", "most"),
    [
        ("q.fifo", {}, True, 4),
        ("q.fifo", {"retry": Retry(tries=3)}, False, 4),
        ("q.fifo", {"concurrency": 2}, True, 2),
        ("q.fifo", {}, False, None),
        ("q.fifo", {"concurrency": 9}, False, 9),
        ("q", {"concurrency": 9}, True, 9),
    ],
    ids=["redrive", "tries", "few at once", "does not count", "many at once", "sent again"],
)
def test_while_some_fail_none_waits_that_is_given_back_and_counts(name, options, redrives, most):
    receivers = Receivers("sqs-batch://")
    registered = receivers.register(name, print, breaker=Breaker(of=3), **options)
    circuits = Circuits(receivers)
    circuits.limit(registered, name, FakeChannel(redrives))
    usual = options.get("concurrency")

    asked = circuits.most(registered, name, lambda: 4)
    assert asked() == usual
    circuits.ended(name, OSError())
    assert asked() == most
    for _ in range(3):
        circuits.ended(name, None)
    assert asked() == usual


def test_no_batch_is_gathered_ahead_of_its_receiver_either():
    receivers = Receivers("sqs-batch://")
    registered = receivers.register("q.fifo", print, breaker=Breaker(of=3), batch=10)
    circuits = Circuits(receivers)
    circuits.limit(registered, "q.fifo", FakeChannel(redrives=True))
    crew = BatchCrew(SimpleNamespace(free=lambda: 0), circuits, Gate())
    places = crew.open(registered, registered.get_queue(), 0)
    # One that was quick.
    crew._gatherings["q.fifo"]._took = 0.1

    assert places() == 10
    circuits.ended("q.fifo", OSError())
    assert places() == 0


def test_so_it_is_while_receivers_run(receivers, start, eventually):
    waiting = []

    def receive(message):
        time.sleep(0.02)
        waiting.append(consumer._channel.held.waiting(queue.full_name()))
        if len(waiting) == 20:
            raise OSError

    queue = receivers.register(
        "orders.fifo", receive, retry=Retry(backoff=60), breaker=Breaker(of=1_000)
    )
    for number in range(100):
        queue.send(body="x", group_id=str(number))
    consumer, _ = start(receivers)

    eventually(lambda: len(waiting) == 100)
    # What waited when one failed has ended by then.
    assert not any(waiting[70:])
