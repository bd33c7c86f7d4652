"""How a consumer of asynchronous receivers stops, and what blocks its loop."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_sqs_kombu import Admission, Breaker, Middleware, ReceiverConsumer, stopping
from django_sqs_kombu.exceptions import EndpointUnreachable
from django_sqs_kombu.working.awaiting import Awaiting, CutOff
from django_sqs_kombu.working.lasting_loop import LastingLoop


def test_what_is_cut_off_before_it_starts_is_cancelled_when_it_does(eventually):
    done, ends = [], []

    async def receive():
        await asyncio.sleep(2)
        done.append(True)

    with ThreadPoolExecutor(1) as executor:
        loop = LastingLoop(executor)
        loop.start()
        awaited = Awaiting(
            receive(), 1.0, lost=lambda: 0.0, then=ends.append, gone=lambda: ends.append(None)
        )
        loop.call(awaited.cut_off)
        loop.call(awaited.start)
        loop.call(awaited.cut_off)
        eventually(lambda: len(ends) == 2, timeout=1)
        loop.stop()

    assert isinstance(ends[0].raised, CutOff)
    assert not done


def test_what_runs_at_a_stop_may_finish_and_what_waits_is_given_back(
    receivers, eventually, prefix, start, counts
):
    began, done = [], []

    @receivers.receiver("async")
    async def receive(message):
        began.append(message.id)
        while not stopping():
            await asyncio.sleep(0.02)
        done.append(message.id)

    receivers.send_many("async", map(str, range(8)))
    consumer, thread = start(receivers, coroutines=3, grace_period=10)
    eventually(lambda: len(began) == 3)
    consumer.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert sorted(began) == sorted(done)
    assert counts(f"{prefix}__async") == (5, 0, 0)


def test_what_still_runs_at_the_end_of_the_grace_period_is_cancelled_and_given_back(
    receivers, eventually, prefix, start, counts, caplog
):
    began, cleaned_up, told = [], [], []

    class Tells(Middleware):
        def settled(self, settlement):
            told.append(settlement.operation)

        def stopping(self):
            told.append("stopping")

    receivers.middleware.append(Tells())

    @receivers.receiver("async", breaker=Breaker(failures=0.1, of=2, pause=60), timeout=60)
    async def receive(message):
        began.append(message.id)
        try:
            await asyncio.sleep(60)
        finally:
            cleaned_up.append(message.id)

    @receivers.receiver("sync")
    def receive_sync(message): ...

    receivers.send_many("async", map(str, range(4)))
    consumer, thread = start(receivers, coroutines=10, grace_period=0.3)
    eventually(lambda: len(began) == 4)
    consumer.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert sorted(cleaned_up) == sorted(began)
    assert counts(f"{prefix}__async") == (4, 0, 0)
    assert sorted(told) == ["release"] * 4 + ["stopping"]
    assert len([r for r in caplog.records if "was cut off at the stop" in r.message]) == 4


def test_a_receiver_that_blocks_the_loop_is_named_and_interrupted_and_harms_no_other(
    receivers, eventually, prefix, start, counts, caplog
):
    slow, done = threading.Event(), []

    @receivers.receiver("blocks", timeout=0.5)
    async def block(message):
        slow.set()
        # As code that computes: it comes back to Python often.
        for _ in range(1_000):
            time.sleep(0.01)

    @receivers.receiver("waits", timeout=1)
    async def wait(message):
        # It would be long over its time when the loop goes on.
        await asyncio.sleep(0.8)
        done.append(message.id)

    receivers.send_many("waits", list("ab"))
    receivers.send("blocks", body="x")
    start(receivers, coroutines=10)
    assert slow.wait(10)
    eventually(lambda: len(done) == 2)
    eventually(lambda: counts(f"{prefix}__blocks") == counts(f"{prefix}__waits") == (0, 0, 0))

    [record] = [r for r in caplog.records if "took its receiver too long" in r.message]
    assert str(record.exc_info[1]) == "timed out after 0.5 s"
    [record] = [r for r in caplog.records if "has blocked the event loop" in r.message]
    assert f"of queue {prefix}__blocks" in record.message
    assert "in block" in record.message


@pytest.mark.parametrize("coroutines", [1, 8])
def test_a_message_that_is_to_run_alone_runs_alone(receivers, prefix, consume, counts, coroutines):
    running, beside = set(), {}

    class Suspects(Middleware):
        def admit(self, registered, delivery):
            return Admission(alone=delivery.text.startswith("alone"))

    receivers.middleware.append(Suspects())

    @receivers.receiver("async")
    async def receive(message):
        running.add(message.id)
        beside[message.get_body()] = len(running)
        await asyncio.sleep(0.02)
        beside[message.get_body()] = max(len(running), beside[message.get_body()])
        running.remove(message.id)

    receivers.send_many("async", [f"{kind} {n}" for n in range(8) for kind in ("alone", "beside")])
    consume(16, coroutines=coroutines)

    assert len(beside) == 16
    assert {most for body, most in beside.items() if body.startswith("alone")} == {1}
    assert counts(f"{prefix}__async") == (0, 0, 0)


def test_a_message_runs_alone_among_synchronous_ones_too(receivers, consume):
    running, beside = set(), {}

    class Suspects(Middleware):
        def admit(self, registered, delivery):
            return Admission(alone=delivery.text.startswith("alone"))

    receivers.middleware.append(Suspects())

    def begin(message):
        running.add(message.id)
        beside[message.get_body()] = len(running)

    @receivers.receiver("async")
    async def receive(message):
        begin(message)
        await asyncio.sleep(0.02)
        running.remove(message.id)

    @receivers.receiver("sync")
    def receive_sync(message):
        begin(message)
        time.sleep(0.02)
        running.remove(message.id)

    for kind in ("async", "sync"):
        receivers.send_many(kind, [f"{how} {kind} {n}" for n in range(5) for how in ("alone", "b")])
    consume(10, threads=2)

    assert len(beside) == 20
    assert {count for body, count in beside.items() if body.startswith("alone")} == {1}


def test_what_fails_around_a_message_takes_no_place(receivers, prefix, consume, counts, caplog):
    """What no part of this library raises, a message class's from_delivery aside."""
    seen = []

    class Broken(Middleware):
        def admit(self, registered, delivery):
            if delivery.receive_count == 1:
                # Not even a BaseException's text.
                raise KeyboardInterrupt
            return Admission()

    receivers.middleware.append(Broken())

    @receivers.receiver("async", visibility_timeout=1)
    async def receive(message):
        seen.append(message.get_body())

    receivers.send_many("async", list("abc"))
    consume(6, coroutines=1)

    assert sorted(seen) == ["a", "b", "c"]
    assert [
        r.message
        for r in caplog.records
        if "Preparing or cleaning up around the receiver of message" in r.message
    ]


def test_a_queues_concurrency_holds(receivers, consume):
    running, most = [], []

    @receivers.receiver("async", concurrency=2)
    async def receive(message):
        running.append(True)
        most.append(len(running))
        await asyncio.sleep(0.02)
        running.pop()

    receivers.send_many("async", map(str, range(10)))
    consume(10, coroutines=8)

    assert max(most) == 2


def test_groups_of_a_fifo_queue_keep_their_order_side_by_side(receivers, consume):
    seen, at_once = {"a": [], "b": []}, []
    both = asyncio.Event()

    @receivers.receiver("async.fifo")
    async def receive(message):
        group, number = message.get_body().split()
        at_once.append(group)
        if len(set(at_once)) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 10)
        await asyncio.sleep(0.01 if int(number) % 2 else 0)
        seen[group].append(int(number))

    for number in range(5):
        for group in "ab":
            receivers.send("async.fifo", body=f"{group} {number}", group_id=group)
    consume(10)

    assert seen == {"a": list(range(5)), "b": list(range(5))}


def test_a_message_is_deleted_before_its_receiver_where_its_queue_says_so(
    receivers, prefix, consume, counts
):
    seen = []

    @receivers.receiver("async", delete_on_start=True)
    async def receive(message):
        seen.append(counts(f"{prefix}__async"))
        raise ValueError("it is gone all the same")

    receivers.send("async", body="x")
    consume(1)

    assert seen == [(0, 0, 0)]


def test_a_process_that_a_receiver_forks_ends_with_the_receiver():
    # In a process of its own, where no other thread holds a lock at the fork.
    code = """
import asyncio, os
from django_sqs_kombu.working.awaiting import Awaiting

async def receive():
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

async def main():
    gone = asyncio.Event()
    Awaiting(receive(), 5, lost=lambda: 0.0, then=print, gone=gone.set).start()
    await gone.wait()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )

    assert done.stdout.splitlines() == ["0", "Ended(value=None, raised=None)"]


def test_a_time_limit_does_not_outlive_its_receiver(receivers, consume, caplog):
    @receivers.receiver("async", timeout=0.1)
    async def receive(message): ...

    receivers.send_many("async", map(str, range(10)))
    consume(10)
    time.sleep(0.15)

    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_other_brokers_and_connections_come_and_the_loop_stays(receivers, eventually, start):
    loops = []

    @receivers.receiver("async")
    async def receive(message):
        loops.append(asyncio.get_running_loop())

    receivers.send("async", body="a")
    consumer, _ = start(receivers, coroutines=5)
    eventually(lambda: len(loops) == 1)
    before = consumer._live_connection
    # As an endpoint that is lost, where there is another one to go to.
    before.transport.inbox.failure = EndpointUnreachable(
        "gone", operation="ReceiveMessage", queue="async", code="Gone"
    )
    before.transport.wake()
    eventually(lambda: consumer._live_connection is not before)
    receivers.send("async", body="b")
    eventually(lambda: len(loops) == 2)

    assert loops[0] is loops[1]


def test_a_consumer_that_is_made_and_never_run_leaves_no_thread(receivers):
    @receivers.receiver("async")
    async def receive(message): ...

    before = threading.active_count()
    ReceiverConsumer(receivers, coroutines=5)

    assert threading.active_count() == before


@pytest.mark.slow
def test_an_outage_loses_nothing_and_does_nothing_twice(
    fragile, proxy, prefix, start, counts, eventually
):
    began, done = [], []

    @fragile.receiver("async", visibility_timeout=10)
    async def receive(message):
        began.append(message.get_body())
        await asyncio.sleep(0.05)
        done.append(message.get_body())

    bodies = sorted(map(str, range(60)))
    fragile.send_many("async", bodies)
    start(fragile, coroutines=10)
    eventually(lambda: len(done) > 15)
    proxy.set("down")
    eventually(lambda: len(done) == len(began))
    proxy.heal()
    eventually(lambda: counts(f"{prefix}__async") == (0, 0, 0), timeout=40)

    assert sorted(done) == sorted(began) == bodies


@pytest.mark.slow
def test_leases_are_renewed_while_receivers_wait(receivers, prefix, start, counts, eventually):
    began = []

    @receivers.receiver("async", visibility_timeout=4)
    async def receive(message):
        began.append(message.get_body())
        await asyncio.sleep(5)

    receivers.send_many("async", map(str, range(25)))
    # Another worker would get what is not held any more.
    for _ in range(2):
        start(receivers, coroutines=25)
    eventually(lambda: counts(f"{prefix}__async") == (0, 0, 0))

    assert len(began) == 25
