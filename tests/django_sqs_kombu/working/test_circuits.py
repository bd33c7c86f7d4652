"""Shared breakers: what one worker finds out, all workers follow."""

import threading
import time

import pytest

from django_sqs_kombu import Breaker, Middleware, Receivers, Retry
from django_sqs_kombu.transport.sqs.pauses import BREAKER_TAG, TAG, Pause, pause_by_breaker

FAILED = ConnectionError("the API is away")


class Noting(Middleware):
    """What a worker learns."""

    def __init__(self):
        self.trips, self.pauses = [], []

    def tripped(self, registered, full_name, trip):
        self.trips.append(trip)

    def paused(self, registered, pause):
        self.pauses.append(pause)


class Worker:
    """A registry of its own, as in another process, whose receiver fails while told to."""

    def __init__(self, prefix, transport_options, away, **breaker):
        self.away, self.failed, self.done = away, [], []
        self.noting = Noting()
        self.receivers = Receivers(
            "sqs-batch://testing:testing-secret@",
            prefix=prefix,
            poll_period=1,
            transport_options={**transport_options, "pause_look": 0.3},
            middleware=[self.noting],
        )
        self.queue = self.receivers.register(
            "orders",
            self.receive,
            retry=Retry(ConnectionError, tries=8, backoff=1),
            breaker=Breaker(on=ConnectionError, **breaker),
            dead_letter_queue="dead",
        )

    def receive(self, message):
        if self.away.is_set():
            self.failed.append(time.monotonic())
            raise FAILED
        self.done.append(message.get_body())


@pytest.fixture
def away():
    away = threading.Event()
    away.set()
    return away


@pytest.fixture
def new_worker(prefix, transport_options, away):
    made = []

    def new_worker(**breaker):
        made.append(Worker(prefix, transport_options, away, **breaker))
        return made[-1]

    yield new_worker
    for worker in made:
        worker.receivers.close()


@pytest.fixture
def tags(sqs, prefix):
    """The tags of the queue."""

    def tags():
        url = sqs.get_queue_url(QueueName=f"{prefix}__orders")["QueueUrl"]
        return sqs.list_queue_tags(QueueUrl=url).get("Tags", {})

    return tags


def test_all_workers_follow_the_breaker_of_one_and_try_one_message_each(
    new_worker, start, away, eventually, counts, prefix
):
    finds_out, follows = new_worker(of=5, pause=8, shared=True), new_worker(of=9999, shared=True)
    finds_out.queue.send_many(str(n) for n in range(100))
    start(finds_out.receivers)
    eventually(lambda: finds_out.noting.trips)
    start(follows.receivers)
    eventually(lambda: follows.noting.pauses)
    time.sleep(1)

    [trip] = finds_out.noting.trips
    assert (trip.seconds, trip.of, trip.again, trip.shared) == (8, 5, False, True)
    assert follows.noting.pauses[0].by_breaker
    assert follows.noting.pauses[0].reason.startswith("breaker: of its last 5 messages")
    assert not follows.noting.trips

    # A follower whose own message fails has the pause made longer for all.
    eventually(lambda: follows.noting.trips or len(finds_out.noting.trips) > 1, timeout=20)
    assert len(follows.failed) <= 1

    away.clear()
    eventually(lambda: len(finds_out.done) + len(follows.done) == 100, timeout=100)
    assert sum(counts(f"{prefix}__dead")) == 0
    assert sorted(map(int, finds_out.done + follows.done)) == list(range(100))


def test_what_a_person_says_and_what_a_breaker_says_do_not_touch_each_other(
    new_worker, start, eventually, tags
):
    worker = new_worker(of=2, pause=600, shared=True)
    worker.queue.send_many(str(n) for n in range(20))
    start(worker.receivers)
    eventually(lambda: BREAKER_TAG in tags() and worker.noting.pauses)
    broken = tags()[BREAKER_TAG]

    worker.queue.pause(3600, reason="by a person")
    assert tags()[BREAKER_TAG] == broken
    eventually(lambda: worker.queue.paused().reason == "by a person")
    worker.queue.resume()

    assert tags()[BREAKER_TAG] == broken
    assert TAG not in tags()
    assert worker.queue.paused().by_breaker
    failed = len(worker.failed)
    time.sleep(1.5)
    assert len(worker.failed) == failed
    assert not worker.done


def test_a_persons_pause_outlasts_the_breaker(new_worker, start, away, eventually, tags):
    worker = new_worker(of=2, pause=2, shared=True)
    worker.queue.send_many(str(n) for n in range(20))
    start(worker.receivers)
    eventually(lambda: BREAKER_TAG in tags())
    worker.queue.pause(reason="by a person")
    eventually(lambda: worker.noting.pauses and not worker.noting.pauses[-1].by_breaker)
    asked = tags()[TAG]
    away.clear()
    time.sleep(4)

    assert not worker.done
    assert tags()[TAG] == asked
    worker.queue.resume()
    eventually(lambda: len(worker.done) == 20)


def test_who_may_not_tag_leaves_the_queue_alone_by_itself(
    new_worker, start, away, eventually, server, prefix, caplog
):
    server.faults["TagQueue", f"{prefix}__orders"] = (403, "AccessDenied")
    worker = new_worker(of=2, pause=2, shared=True)
    worker.queue.send_many(str(n) for n in range(20))
    start(worker.receivers)
    eventually(lambda: worker.noting.trips)

    assert not worker.noting.trips[0].shared
    assert "could not be told to other processes" in caplog.text
    assert "sqs:TagQueue" in caplog.text
    away.clear()
    eventually(lambda: len(worker.done) == 20)
    assert worker.noting.trips[-1] is None


def test_a_breaker_that_is_not_shared_tells_nobody(new_worker, start, eventually, tags, server):
    worker = new_worker(of=2, pause=60)
    worker.queue.send_many(str(n) for n in range(20))
    start(worker.receivers)
    eventually(lambda: worker.noting.trips)
    time.sleep(1)

    assert BREAKER_TAG not in tags()
    assert not worker.noting.trips[0].shared


def test_a_tag_of_a_pause_that_has_ended_says_nothing(new_worker, start, away, eventually, sqs):
    worker = new_worker(of=2, pause=1, shared=True)
    worker.queue.send_many(["first"])
    url = sqs.get_queue_url(QueueName=worker.queue.full_name())["QueueUrl"]
    over = Pause.starting_now(1, "breaker").value
    sqs.tag_queue(QueueUrl=url, Tags={BREAKER_TAG: over})
    away.clear()
    time.sleep(1.2)
    start(worker.receivers)
    eventually(lambda: worker.done)

    assert not worker.noting.pauses


def test_what_waits_when_anothers_breaker_opens_has_lost_no_receive(
    new_worker, start, away, eventually, tags, sqs
):
    away.clear()
    worker = new_worker(of=9999, shared=True)
    goes_on = threading.Event()

    def receive(message):
        worker.done.append(message.get_body())
        if len(worker.done) == 30:
            goes_on.wait(20)

    worker.queue.receiver = receive
    worker.queue.send_many(str(n) for n in range(60))
    consumer, _ = start(worker.receivers)
    poller = eventually(
        lambda: len(worker.done) == 30 and consumer._channel.pollers[worker.queue.full_name()]
    )
    # When its pace is known, some wait while others run.
    eventually(lambda: poller.has_waiting)

    pause_by_breaker(
        worker.receivers.channel().requests, worker.queue.full_name(), 60, "it is away"
    )
    eventually(lambda: worker.noting.pauses)
    goes_on.set()
    eventually(lambda: not consumer._running and not poller.has_waiting)

    receives = []
    url = sqs.get_queue_url(QueueName=worker.queue.full_name())["QueueUrl"]
    asked = {"AttributeNames": ["ApproximateReceiveCount"], "MaxNumberOfMessages": 10}
    eventually(
        lambda: (
            receives.extend(
                int(each["Attributes"]["ApproximateReceiveCount"])
                for each in sqs.receive_message(QueueUrl=url, **asked).get("Messages", [])
            )
            or len(receives) == 60 - len(worker.done)
        )
    )
    assert set(receives) == {1}
