"""What receivers do is the same for a worker and for a Lambda function."""

import asyncio
import gc
import logging
import time
from dataclasses import dataclass

import pytest

from django_sqs_kombu import (
    Admission,
    CacheTickets,
    Continue,
    JSONMessage,
    Middleware,
    RestartLater,
    Retry,
    cursor,
)
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.working import Action, Failure, current_message

from ..own_cache import OwnCache


class Away(Exception):
    pass


@pytest.fixture
def empty(counts, prefix, eventually):
    def empty(name="orders"):
        eventually(lambda: counts(f"{prefix}__{name}") == (0, 0, 0), timeout=5)
        return True

    return empty


def test_what_is_done_is_deleted(receivers, work, empty):
    seen = []
    receivers.register("orders", lambda message: seen.append(message.get_body()))
    receivers.send_many("orders", [str(n) for n in range(12)])

    work(receivers, lambda: len(seen) >= 12)

    assert sorted(seen, key=int) == [str(n) for n in range(12)]
    assert empty()


@pytest.mark.parametrize("until", ["started", "finished"])
def test_a_unique_key_is_free_when_it_starts_or_is_done(receivers, work, empty, until):
    within = []
    receivers._tickets = CacheTickets(OwnCache())
    options = {"body": "x", "unique": "a", "unique_for": 60, "unique_until": until}
    queue = receivers.register("orders", lambda _: within.append(queue.send(**options).sent))
    assert queue.send(**options).sent

    work(receivers, lambda: len(within) >= (2 if until == "started" else 1))

    assert within[0] == (until == "started")
    if until == "finished":
        assert empty()
        assert queue.send(**options).sent


@pytest.mark.parametrize("wire_format", ["raw"])
def test_attributes_of_both_kinds_arrive(receivers, work, sqs, empty):
    seen = []
    queue = receivers.register(
        "orders", lambda message: seen.append(dict(current_message.get().message_attributes))
    )
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    attributes = {
        "text": {"DataType": "String", "StringValue": "żółw"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\xff\x00"},
    }
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)

    work(receivers, lambda: seen)

    assert seen == [attributes]
    assert empty()


def test_what_fails_without_a_redrive_policy_is_deleted(receivers, work, empty, caplog):
    seen = []

    def fail(message):
        seen.append(1)
        raise ValueError("its fault")

    receivers.register("orders", fail)
    receivers.send("orders", body="x")

    work(receivers, lambda: seen)

    assert empty()
    assert "made its receiver fail" in caplog.text
    assert seen == [1]


def test_what_fails_with_a_redrive_policy_is_left_to_it(receivers, work, dead_letters):
    seen = []

    def fail(message):
        seen.append(message.get_body())
        raise ValueError("its fault")

    queue = receivers.register(
        "orders", fail, dead_letter_queue="dead", max_receives=3, visibility_timeout=1
    )
    queue.send(body="x")

    work(receivers, lambda: len(seen) == 3)

    assert seen == ["x"] * 3


def test_restart_later_waits_for_its_delay(receivers, work, empty):
    times = []

    def restart_once(message):
        times.append(time.monotonic())
        if len(times) == 1:
            raise RestartLater(delay=1)

    receivers.register("orders", restart_once)
    receivers.send("orders", body="x")

    work(receivers, lambda: len(times) == 2)

    assert 0.7 < times[1] - times[0] < 5
    assert empty()


def test_restart_later_counts_for_no_redrive_policy(receivers, work, empty, dead_letters):
    seen = []

    def restart(message):
        context = current_message.get()
        seen.append(Trail.of(context.message_attributes).id or context.message_id)
        if len(seen) < 6:
            raise RestartLater(delay=0)

    queue = receivers.register("orders", restart, dead_letter_queue="dead", max_receives=3)
    queue.send(body="x")

    work(receivers, lambda: len(seen) == 6)

    assert len(set(seen)) == 1
    assert empty()
    assert not dead_letters()


def test_policies_try_discard_and_bury(receivers, work, empty, dead_letters):
    seen = []
    errors = {"away": Away("the API is away"), "old": KeyError("old"), "bad": TypeError("bad")}

    def fail(message):
        body = message.get_body()
        seen.append(body)
        raise errors[body]

    queue = receivers.register(
        "orders",
        fail,
        retry=Retry(Away, tries=3, backoff=0),
        discard=KeyError,
        dead_letter=TypeError,
        dead_letter_queue="dead",
    )
    for body in ("away", "old", "bad"):
        queue.send(body=body)

    work(receivers, lambda: len(seen) == 5)

    assert sorted(seen) == ["away"] * 3 + ["bad", "old"]
    assert empty()
    reasons = {Failure.read(each["MessageAttributes"]).error for each in dead_letters()}
    assert {each.rpartition(".")[2] for each in reasons} == {"Away", "TypeError"}


@dataclass
class Order:
    number: int


def test_models_are_validated(receivers, work, empty, caplog):
    seen = []
    queue = receivers.register(
        "orders", lambda message: seen.append(message.get_body()), model=Order
    )
    queue.send(Order(7))
    queue.send_many([Order(8)])

    work(receivers, lambda: len(seen) == 2)

    assert sorted(each.number for each in seen) == [7, 8]
    assert empty()


def test_what_cannot_be_decoded_is_no_receivers(receivers, work, sqs, empty, caplog):
    seen = []
    queue = receivers.register("orders", seen.append, message_class=JSONMessage)
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{no json")

    work(receivers, lambda: "cannot be decoded" in caplog.text)

    assert not seen
    assert empty()


def test_asynchronous_receivers_are_awaited(receivers, work, empty):
    seen = []

    async def receive(message):
        await asyncio.sleep(0)
        seen.append(message.get_body())

    receivers.register("orders", receive)
    receivers.send("orders", body="x")

    work(receivers, lambda: seen)

    assert seen == ["x"]
    assert empty()


def test_continue_goes_on_from_its_cursor(receivers, work, empty):
    seen = []

    def in_parts(message):
        seen.append(cursor())
        if len(seen) < 3:
            raise Continue({"row": len(seen)})

    receivers.register("orders", in_parts)
    receivers.send("orders", body="x")

    work(receivers, lambda: len(seen) == 3)

    assert seen == [None, {"row": 1}, {"row": 2}]
    assert empty()


def test_a_timeout_interrupts_the_receiver(receivers, work, empty, caplog):
    seen = []

    def hang(message):
        seen.append(1)
        # A worker may be in a thread, which only Python code is interrupted in.
        for _ in range(1_000):
            time.sleep(0.01)

    receivers.register("orders", hang, timeout=0.3)
    receivers.send("orders", body="x")

    work(receivers, lambda: seen)

    assert empty()
    assert "took its receiver too long" in caplog.text


def test_delete_on_start_deletes_before_the_receiver(receivers, work, counts, prefix):
    seen = []
    queue = receivers.register(
        "orders",
        lambda message: seen.append(counts(f"{prefix}__orders")),
        delete_on_start=True,
    )
    queue.send(body="x")

    work(receivers, lambda: seen)

    assert seen == [(0, 0, 0)]


def test_a_large_payload_is_read_and_deleted_after_its_message(
    large, work, keys, empty, eventually
):
    seen = []
    large.register("orders", lambda message: seen.append(len(message.get_body())))
    large.send("orders", body="x" * 1_100_000)
    assert len(keys()) == 1

    work(large, lambda: seen)

    assert seen == [1_100_000]
    assert empty()
    eventually(lambda: not keys(), timeout=5)


def test_middleware_stands_around_what_is_received(receivers, work, empty):
    told = []

    class Tell(Middleware):
        def admit(self, registered, delivery):
            told.append("admit")
            again = RestartLater(delay=0) if told.count("admit") == 1 else None
            return Admission(refused=again)

        def settled(self, settlement):
            told.append(settlement.action)

    receivers.middleware.append(Tell())
    receivers.register("orders", lambda message: told.append("received"))
    receivers.send("orders", body="x")

    work(receivers, lambda: "received" in told)

    assert told == ["admit", Action.REQUEUE, "admit", "received", Action.DELETE]
    assert empty()


def test_a_message_group_keeps_its_order_when_one_is_restarted(receivers, work, empty):
    seen = []

    def restart_second(message):
        seen.append(message.get_body())
        if seen.count("2") == 1 and message.get_body() == "2":
            raise RestartLater(delay=1)

    queue = receivers.register("orders.fifo", restart_second)
    for body in ("1", "2", "3"):
        queue.send(body=body, group_id="a", deduplication_id=body)
    queue.send(body="other", group_id="b", deduplication_id="other")

    work(receivers, lambda: "3" in seen and "other" in seen)

    assert [each for each in seen if each != "other"] == ["1", "2", "2", "3"]
    assert seen.count("other") == 1
    assert empty("orders.fifo")


def test_a_batch_receiver_gets_lists_and_settles_single_ones(receivers, work, empty):
    seen = []

    def receive(messages):
        bodies = sorted(message.get_body() for message in messages)
        seen.append(bodies)
        for message in messages:
            if message.get_body() == "3" and sum(each.count("3") for each in seen) == 1:
                message.restart(delay=0)

    receivers.register("orders", receive, batch=5, wait=0.5)
    receivers.send_many("orders", [str(n) for n in range(5)])

    work(receivers, lambda: sum(map(len, seen)) == 6)

    assert sorted(body for bodies in seen for body in bodies) == ["0", "1", "2", "3", "3", "4"]
    assert len(seen) < 5
    assert empty()


def test_the_culprit_of_a_batch_is_found(receivers, work, empty, dead_letters):
    done = []

    def receive(messages):
        bodies = [message.get_body() for message in messages]
        if "bad" in bodies:
            raise ValueError("its fault")
        done.extend(bodies)

    queue = receivers.register(
        "orders",
        receive,
        batch=5,
        wait=0.5,
        on_error="bisect",
        dead_letter=ValueError,
        dead_letter_queue="dead",
    )
    queue.send_many(["a", "bad", "b", "c"])

    work(receivers, lambda: len(done) == 3)

    assert sorted(done) == ["a", "b", "c"]
    assert empty()
    assert len(dead_letters()) == 1


def test_a_batch_of_a_fifo_queue_keeps_the_order_of_its_groups(receivers, work, empty):
    done, restarted = [], []

    def receive(messages):
        for message in messages:
            if message.get_body() == "2" and not restarted:
                restarted.append(message.id)
                message.restart(delay=0)
                return
            done.append(message.get_body())

    queue = receivers.register("orders.fifo", receive, batch=5)
    for body in ("1", "2", "3", "4"):
        queue.send(body=body, group_id="a", deduplication_id=body)

    work(receivers, lambda: len(done) == 4)

    assert restarted
    assert done == ["1", "2", "3", "4"]
    assert empty("orders.fifo")


def test_what_has_expired_is_deleted_unrun(receivers, work, empty, caplog):
    caplog.set_level(logging.INFO, "django_sqs_kombu")
    seen = []
    receivers.register("orders", lambda message: seen.append(message.get_body()))
    receivers.send("orders", body="late", expires=0.01)
    time.sleep(0.05)
    receivers.send("orders", body="in time", expires=600)

    work(receivers, lambda: seen and "it expired at" in caplog.text)

    assert seen == ["in time"]
    assert empty()


def test_what_a_receiver_had_read_halfway_is_closed_before_the_next_message(work, receivers):
    """Garbage collection closed it, at any time: amid a statement of its connection, even."""
    closed, seen = [], []

    def rows(body):
        try:
            yield 1
        finally:
            closed.append(body)

    def receive(message):
        seen.append((message.get_body(), list(closed)))
        reading = rows(message.get_body())
        next(reading)
        error = ValueError("it keeps itself alive")
        raise error

    receivers.register("orders", receive, on_error="delete")
    receivers.send_many("orders", ["a", "b"])
    gc.collect()
    gc.disable()
    try:
        work(receivers, lambda: len(seen) == 2)
    finally:
        gc.enable()

    (first, before), (_, after) = seen
    assert (before, after) == ([], [first])
