"""Leases: what is processed stays invisible, what waits too long is given back."""

import threading
import time
from collections import Counter

import kombu
import pytest

from django_sqs_kombu import ReceiverConsumer, RequestFailed
from django_sqs_kombu.transport.receiving.leases import Lease, LeaseKeeper


class Renewals:
    """Stands in for SQS, whose time cannot be set."""

    def __init__(self):
        self.batches = []
        self.lost, self.failed = [], []

    def change_visibility_batch(self, queue, messages, seconds):
        self.batches.append((queue, [m["ReceiptHandle"] for m in messages], seconds))
        return [self._result(number) for number in range(len(messages))]

    def _result(self, number):
        if number not in [*self.lost, *self.failed]:
            return None
        return RequestFailed(
            "Failed!",
            operation="ChangeMessageVisibilityBatch",
            queue="q",
            code="X",
            lost=number in self.lost,
            passing=number in self.failed,
        )


@pytest.fixture
def renewals():
    return Renewals()


@pytest.fixture
def keeper(renewals):
    keeper = LeaseKeeper(renewals, lambda queue: renewals.batches.append(("given back", queue)))
    yield keeper
    keeper.close()


def lease(number, *, queue="q", at=None, seconds=3_000, waiting=False):
    received_at = time.monotonic() if at is None else at
    lease = Lease(queue, {"ReceiptHandle": str(number)}, seconds, received_at)
    lease.waiting = waiting
    return lease


def test_a_lease_is_renewed_at_two_thirds_of_its_time(keeper, renewals):
    now = time.monotonic()
    keeper.keep([lease(1, at=now)])

    keeper.renew_due(now + 1_999)
    assert renewals.batches == []

    keeper.renew_due(now + 2_001)
    assert renewals.batches == [("q", ["1"], [3_000])]


def test_renewals_of_a_queue_share_requests(keeper, renewals):
    now = time.monotonic()
    keeper.keep([lease(number, at=now) for number in range(12)])
    keeper.keep([lease("other", queue="p", at=now)])

    keeper.renew_due(now + 2_001)

    assert sorted((queue, len(handles)) for queue, handles, _ in renewals.batches) == [
        ("p", 1),
        ("q", 2),
        ("q", 10),
    ]


def test_one_that_is_nearly_due_goes_along(keeper, renewals):
    now = time.monotonic()
    keeper.keep([lease("due", at=now - 2_001), lease("nearly", at=now - 1_800)])
    keeper.keep([lease("fresh", at=now)])

    keeper.renew_due(now)

    assert renewals.batches == [("q", ["due", "nearly"], [3_000, 3_000])]


def test_a_message_that_waits_is_given_back_not_renewed(keeper, renewals):
    now = time.monotonic()
    keeper.keep([lease(1, at=now, waiting=True)])

    keeper.renew_due(now + 2_001)

    assert renewals.batches == [("given back", "q")]


def test_a_settled_message_is_not_renewed(keeper, renewals):
    now = time.monotonic()
    keeper.keep([lease(1, at=now)])

    keeper.drop("1")
    keeper.renew_due(now + 2_001)

    assert renewals.batches == []


def test_a_lost_lease_is_not_renewed_again(keeper, renewals):
    keeper.keep([lease(1, at=time.monotonic() - 2_001)])
    renewals.lost = [0]

    keeper.renew_due(time.monotonic())
    keeper.renew_due(time.monotonic() + 5_000)

    assert len(renewals.batches) == 1


def test_a_failed_renewal_is_tried_again_soon(keeper, renewals):
    keeper.keep([lease(1, at=time.monotonic() - 2_001)])
    renewals.failed = [0]

    keeper.renew_due(time.monotonic())
    renewals.failed = []
    keeper.renew_due(time.monotonic() + 2)

    assert len(renewals.batches) == 2


@pytest.mark.parametrize("threads", [1, 4])
def test_a_receiver_of_five_visibility_timeouts_runs_once(receivers, threads, server):
    runs, lock = Counter(), threading.Lock()

    def receive(message):
        with lock:
            runs[message.get_body()] += 1
        if message.get_body() == "long":
            time.sleep(10)

    queue = receivers.register("orders", receive, visibility_timeout=2)
    receivers.send("orders", body="long")
    consumer = ReceiverConsumer(receivers, threads=threads, message_limit=11)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    time.sleep(1)
    receivers.send_many("orders", map(str, range(10)))
    thread.join(40)

    assert not thread.is_alive()
    assert set(runs.values()) == {1}
    assert len(runs) == 11
    assert server.count("ChangeMessageVisibilityBatch", queue.full_name()) >= 6


def test_the_leases_of_a_plain_kombu_consumer_follow_the_queues_own_timeout(receivers, sqs, counts):
    name = f"{receivers.prefix}__plain"
    sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})
    connection = receivers.new_connection()
    kombu.Producer(connection).publish("x", routing_key=name)
    held = []
    with connection, kombu.Consumer(connection, [kombu.Queue(name)], on_message=held.append):
        connection.drain_events(timeout=5)
        time.sleep(4)

        assert counts(name) == (0, 1, 0)
        assert not held[0].expired


def test_a_consumer_that_is_stuck_asks_for_nothing_more(receivers, server, eventually, counts):
    go_on, started = threading.Event(), threading.Event()

    def receive(message):
        started.set()
        go_on.wait(20)

    queue = receivers.register("orders", receive, visibility_timeout=3)
    name = queue.full_name()
    receivers.send_many("orders", map(str, range(12)))
    consumer = ReceiverConsumer(receivers)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    started.wait(10)
    # What waited is given back at two thirds of its visibility timeout, and not asked for.
    eventually(lambda: counts(name) == (11, 1, 0))
    asked = server.count("ReceiveMessage", name)

    time.sleep(3)

    assert server.count("ReceiveMessage", name) == asked
    assert counts(name) == (11, 1, 0)
    consumer.stop()
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
