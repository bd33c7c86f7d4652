"""Thousands of messages through every policy, and back: each is accounted for."""

import threading
import time
from collections import Counter

import pytest

from django_sqs_kombu import Breaker, Failure, RawMessage, ReceiverConsumer, Receivers, Retry
from django_sqs_kombu.administration import move

from .conftest import LONG
from .fates import KINDS, POLICIES, TRIES, Fates, bodies_in

MESSAGES = 10_000 if LONG else 300
#: Messages that are there while what their receiver needs is away, for so many seconds.
STRUCK, OUTAGE = (1_000, 60) if LONG else (300, 6)
#: Seconds for all of them, at most.
PATIENCE = 600 if LONG else 90


def left_in(sqs, url):
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ("", "NotVisible", "Delayed")
    return sum(int(answer[f"ApproximateNumberOfMessages{name}"]) for name in names)


def until(done):
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert done()


@pytest.fixture
def fates():
    return Fates()


@pytest.fixture
def receivers(steady_server, prefix):
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        wire_format="raw",
        transport_options={
            "endpoint_url": f"http://127.0.0.1:{steady_server}",
            "region": "us-east-1",
        },
    )
    yield receivers
    receivers.close()


@pytest.fixture
def queue(receivers, fates):
    """A queue with every policy switched on, and its receiver."""
    return receivers.register(
        "orders", fates, message_class=RawMessage, dead_letter_queue="dead", **POLICIES
    )


@pytest.fixture
def consuming(queue):
    """Its consumer, until the test ends."""
    consumer = ReceiverConsumer(queue.receivers, threads=8)
    running = threading.Thread(target=consumer.run, daemon=True)
    yield running.start
    consumer.stop()
    running.join(20)
    assert not running.is_alive()


@pytest.fixture
def urls(direct, queue, prefix):
    """The URLs of the queue and of its dead letters, once they are there."""

    def urls():
        names = queue.full_name(), f"{prefix}__dead"
        return [direct.get_queue_url(QueueName=name)["QueueUrl"] for name in names]

    return urls


def test_every_message_comes_to_its_end_and_back(queue, fates, consuming, direct, urls, prefix):
    bodies = [f"{KINDS[number % len(KINDS)]}-{number}" for number in range(MESSAGES)]
    queue.send_many(bodies)
    fates.accepted = set(bodies)
    of = {kind: {body for body in bodies if body.startswith(kind)} for kind in KINDS}
    orders, dead = urls()
    consuming()
    until(lambda: left_in(direct, orders) == 0)

    assert fates.done == of["plain"] | of["flaky"]
    assert not fates.twice
    runs = {"flaky": 2, "moot": 1, "bad": 1, "hopeless": TRIES}
    assert fates.ran == Counter({body: n for kind, n in runs.items() for body in of[kind]})
    assert left_in(direct, dead) == len(of["bad"] | of["hopeless"])

    # Back, when the fault is fixed.
    fates.healed = True
    requests = queue.receivers.channel().requests
    moved = move(requests, f"{prefix}__dead", queue.full_name(), limit=MESSAGES)
    until(lambda: left_in(direct, orders) == 0)

    assert moved == len(of["bad"] | of["hopeless"])
    assert fates.done == set(bodies) - of["moot"]
    assert not fates.lost
    assert not fates.twice
    assert not bodies_in(direct, dead)


def test_each_dead_letter_says_why(queue, consuming, direct, urls):
    bodies = [f"{kind}-{number}" for kind in ("bad", "hopeless") for number in range(20)]
    queue.send_many(bodies)
    orders, dead = urls()
    consuming()
    until(lambda: left_in(direct, orders) == 0)

    told = []
    assert bodies_in(direct, dead, told) == Counter(bodies)
    failures = [Failure.read(attributes) for attributes in told]
    assert {failure.text for failure in failures} == set(bodies)
    assert {failure.error.rpartition(".")[2] for failure in failures} == {"Bad", "Hopeless"}
    assert {f.receives for f in failures if f.error.endswith("Hopeless")} == {TRIES}
    assert all("Traceback" in failure.traceback for failure in failures)


@pytest.mark.parametrize("shared", [False, True])
def test_an_outage_of_what_receivers_need_buries_nothing(receivers, direct, prefix, shared):
    up, done, failed = threading.Event(), set(), []

    def receive(message):
        if not up.is_set():
            failed.append(message.id)
            raise ConnectionError("the API is away")
        done.add(message.get_body())

    queue = receivers.register(
        "orders",
        receive,
        message_class=RawMessage,
        retry=Retry(ConnectionError, tries=8, backoff=2),
        breaker=Breaker(failures=0.5, of=20, pause=OUTAGE / 6, on=ConnectionError, shared=shared),
        dead_letter_queue="dead",
    )
    queue.send_many(str(number) for number in range(STRUCK))
    consumer = ReceiverConsumer(receivers, threads=4)
    running = threading.Thread(target=consumer.run, daemon=True)
    running.start()
    try:
        until(lambda: failed)
        time.sleep(OUTAGE)
        up.set()
        until(lambda: len(done) == STRUCK)
    finally:
        consumer.stop()
        running.join(20)

    dead = direct.get_queue_url(QueueName=f"{prefix}__dead")["QueueUrl"]
    assert left_in(direct, dead) == 0
    # Twenty, what ran beside them, and one after each pause.
    assert len(failed) <= 20 + 4 + 8
    print(f"{STRUCK} messages, {OUTAGE} s: {len(failed)} receivers failed, 0 buried")
