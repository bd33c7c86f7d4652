"""``expires=``: what would start too late is deleted unrun, and counted apart."""

import contextlib
import logging
import pickle
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from django_sqs_kombu import (
    Breaker,
    MessageEncodeError,
    MessageExpired,
    Middleware,
    RestartLater,
    Retry,
)
from django_sqs_kombu.administration import move
from django_sqs_kombu.testing import receive_at_once
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.working import Failure, Policy
from django_sqs_kombu.working.breaker import Circuit
from django_sqs_kombu.working.table import Action, row_for, table_of

EXPIRED = MessageExpired(1_000_000_000)


class Noting(Middleware):
    def __init__(self):
        self.operations = Counter()
        self.processed = 0

    def receiving(self, registered, delivery):
        self.processed += 1
        return super().receiving(registered, delivery)

    def settled(self, settlement):
        self.operations[settlement.operation] += 1


@pytest.fixture
def queue(receivers):
    seen = []
    queue = receivers.register("orders", seen.append)
    queue.seen = seen
    return queue


def pass_by(seconds=0.06):
    threading.Event().wait(seconds)


def test_a_message_that_would_start_too_late_is_deleted_unrun(
    receivers, queue, caplog, counts, prefix, eventually
):
    caplog.set_level(logging.INFO, "django_sqs_kombu")
    notes = Noting()
    receivers.middleware.append(notes)
    queue.send(body="late", expires=0.05)
    queue.send(body="in time", expires=timedelta(minutes=5))
    pass_by()

    for _ in range(2):
        with contextlib.suppress(MessageExpired):
            queue.receive_single()

    assert [message.get_body() for message in queue.seen] == ["in time"]
    assert notes.operations == {"expired": 1, "delete": 1}
    assert notes.processed == 1
    assert "is dropped without being run: it expired at " in caplog.text
    eventually(lambda: counts(f"{prefix}__orders") == (0, 0, 0))


def test_of_many_each_may_have_its_own(receivers, queue):
    queue.send_many(["late", "never", "in time"], expires=[0.05, None, 60])
    pass_by()

    for _ in range(3):
        with contextlib.suppress(MessageExpired):
            queue.receive_single()

    assert sorted(message.get_body() for message in queue.seen) == ["in time", "never"]


def test_it_goes_along_when_a_message_is_restarted(receivers):
    tries = []

    @receivers.receiver("orders")
    def fail(message):
        tries.append(message)
        raise RestartLater(0, counts=False)

    fail(body="x", expires=30)
    with pytest.raises(RestartLater):
        fail.registered_queue.receive_single()
    with pytest.raises(RestartLater):
        fail.registered_queue.receive_single()

    first, second = (Trail.of(message.message_attributes) for message in tries)
    assert first.expires == second.expires == pytest.approx(time.time() + 30, abs=25)


def test_a_fifo_queue_drops_it_and_goes_on_with_its_group(receivers):
    seen = []
    queue = receivers.register("orders.fifo", seen.append)
    queue.send(body="late", group_id="a", expires=0.05)
    queue.send(body="next", group_id="a")
    pass_by()

    with pytest.raises(MessageExpired):
        queue.receive_single()
    queue.receive_single()

    assert [message.get_body() for message in seen] == ["next"]


@pytest.mark.parametrize("cursor", [None, {"page": 3}])
def test_what_goes_on_from_a_cursor_has_started_already(receivers, queue, cursor, sqs):
    trail = Trail(expires=time.time() - 5, cursor=cursor)
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    sqs.send_message(
        QueueUrl=url, MessageBody="x", MessageAttributes={"django_sqs.trail": trail.attribute()}
    )

    if cursor is None:
        with pytest.raises(MessageExpired):
            queue.receive_single()
    else:
        queue.receive_single()

    assert len(queue.seen) == (cursor is not None)


def test_no_policy_changes_it_and_no_breaker_counts_it():
    everything = Policy(retry=(Retry(tries=3),), dead_letter=(ValueError,))

    assert row_for(EXPIRED, table=table_of(everything)).action is Action.DISCARD
    assert not Breaker().counts(EXPIRED)
    assert pickle.loads(pickle.dumps(EXPIRED)).expired == EXPIRED.expired


def test_it_neither_closes_a_breaker_nor_is_one_of_its_latest():
    circuit = Circuit("q", Breaker(of=2, pause=0.01))
    for raised in (OSError(), EXPIRED, OSError()):
        circuit.ended(raised)
    assert circuit.is_open
    time.sleep(0.02)
    # It is tried, and another after it.
    assert circuit.reserve(10) == 1
    circuit.ended(EXPIRED)
    assert circuit.is_open
    assert circuit.reserve(10) == 1
    circuit.ended(None)
    assert not circuit.is_open


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("soon", "a number of seconds"),
        (True, "a number of seconds"),
        (float("nan"), "a number of seconds"),
        (0, "above 0"),
        (-5, "above 0"),
        (timedelta(days=30), "at most 2,419,200"),
        (datetime(2030, 1, 1), "time zone"),
        (datetime(2020, 1, 1, tzinfo=timezone.utc), "above 0"),
        (60, "is before the message can be received"),
    ],
)
def test_what_cannot_be_is_an_error_when_the_message_is_made(queue, value, says):
    with pytest.raises(MessageEncodeError, match=f"expires.*{says}"):
        queue.outgoing(body="x", expires=value, delay=60)


def test_a_moment_is_as_good_as_seconds(queue):
    moment = datetime.now(timezone.utc) + timedelta(hours=1)

    assert queue.outgoing(body="x", expires=moment).expires == pytest.approx(moment.timestamp())
    assert queue.outgoing(body="x").expires is None


def test_it_needs_one_of_the_ten_attributes(queue):
    ten = {f"n{number}": "x" for number in range(10)}
    queue.outgoing(body="x", attributes=ten)

    with pytest.raises(MessageEncodeError, match="needs 1"):
        queue.outgoing(body="x", attributes=ten, expires=60)


def test_a_strange_time_in_a_trail_harms_nobody():
    assert "it expired at 1e+300" in str(MessageExpired(1e300))
    assert Trail.of({"django_sqs.trail": {"StringValue": '{"expires": "x"}'}}).expires is None


@pytest.fixture
def dead(receivers, queue, sqs):
    """A dead-letter queue, with a letter of "orders" that has expired meanwhile."""
    dead = receivers.register("dead", queue.seen.append)
    for each in (dead, queue):
        url = sqs.create_queue(QueueName=each.full_name())["QueueUrl"]
        if each is dead:
            attributes = {
                "django_sqs.trail": Trail(id="a", expires=time.time() - 5).attribute(),
                "django_sqs.failure": Failure(queue=queue.full_name()).attribute(),
            }
            sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    return dead


def test_a_dead_letter_does_not_expire(queue, dead):
    dead.receive_single()

    assert [message.get_body() for message in queue.seen] == ["x"]


def test_redriven_into_its_own_queue_it_does(receivers, queue, dead):
    requests = receivers.channel().requests
    assert move(requests, dead.full_name(), queue.full_name(), limit=1) == 1

    with pytest.raises(MessageExpired):
        queue.receive_single()

    assert queue.seen == []


def test_a_letter_that_is_buried_again_does_not_expire_when_it_comes_back(receivers, dead):
    seen, errors = [], [ValueError("broken")]

    def receive(message):
        if errors:
            raise errors.pop()
        seen.append(message.get_body())

    del receivers.queues["dead"]
    dead = receivers.register("dead", receive, dead_letter_queue="deader", dead_letter=ValueError)
    with pytest.raises(ValueError, match="broken"):
        dead.receive_single()
    requests = receivers.channel().requests
    assert move(requests, dead.full_dead_letter_name, dead.full_name(), limit=1) == 1

    dead.receive_single()

    assert seen == ["x"]


def test_in_eager_mode_it_is_in_time(receivers, queue):
    receivers.outlet = receive_at_once
    try:
        queue.send(body="x", expires=60)
    finally:
        receivers.outlet = None

    assert len(queue.seen) == 1
