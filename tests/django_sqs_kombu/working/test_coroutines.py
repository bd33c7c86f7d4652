"""Asynchronous receivers and sends."""

import asyncio
import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_sqs_kombu import EnvironmentFailure, ReceiverConsumer, RestartLater, TimedOut
from django_sqs_kombu.working.coroutines import run_in_thread_loop


@pytest.mark.parametrize("threads", [1, 3])
def test_async_receivers_run_and_are_settled(threads, receivers, prefix, counts):
    loops, seen = set(), []

    @receivers.receiver("async")
    async def receive(message):
        await asyncio.sleep(0.01)
        loops.add(id(asyncio.get_running_loop()))
        seen.append(message.get_body())
        if message.get_body() == "again" and seen.count("again") == 1:
            raise RestartLater(0)

    receivers.send_many("async", ["a", "b", "again", "c"])
    ReceiverConsumer(receivers, threads=threads, message_limit=5).run()

    assert sorted(seen) == ["a", "again", "again", "b", "c"]
    assert counts(f"{prefix}__async") == (0, 0, 0)
    # A loop for each thread, not one for each message.
    assert len(loops) <= threads


def test_the_loop_stays_for_the_next_message():
    async def loop():
        return asyncio.get_running_loop()

    assert run_in_thread_loop(loop(), None) is run_in_thread_loop(loop(), 5)


def test_a_receiver_that_awaits_too_long_is_cancelled():
    ended = []

    async def wait():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    before = time.monotonic()
    with pytest.raises(TimedOut, match=r"0\.2 s"):
        run_in_thread_loop(wait(), 0.2)

    assert ended == [True]
    assert time.monotonic() - before < 2


def test_a_receiver_that_blocks_its_loop_is_interrupted():
    async def block():
        for _ in range(100):
            time.sleep(0.1)

    before = time.monotonic()
    with pytest.raises(TimedOut):
        run_in_thread_loop(block(), 0.2)

    assert time.monotonic() - before < 3
    assert run_in_thread_loop(asyncio.sleep(0, "the next message"), 1) == "the next message"


def test_sends_that_are_awaited_together_share_requests(receivers, server, prefix, counts):
    proxy = receivers.receiver("async")(print)
    receivers.send("async", body="warm")

    async def send():
        await asyncio.gather(
            *(receivers.asend("async", body=str(n)) for n in range(20)), proxy.asend(body="proxy")
        )

    asyncio.run(send())

    assert counts(f"{prefix}__async") == (22, 0, 0)
    requests = sum(
        server.count(operation, f"{prefix}__async")
        for operation in ("SendMessage", "SendMessageBatch")
    )
    assert requests < 20


def test_a_receiver_that_swallows_its_cancelling_is_cancelled_again():
    swallowed = []

    async def swallow():
        try:
            await asyncio.sleep(30)
        except BaseException:
            swallowed.append(True)
        await asyncio.sleep(30)

    with pytest.raises(TimedOut, match=r"0\.2 s"):
        run_in_thread_loop(swallow(), 0.2)

    assert swallowed == [True]


def test_a_receiver_that_cannot_be_cancelled_does_not_go_on_beside_the_next():
    ticks = []

    async def deaf():
        while True:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue
            ticks.append(True)

    with pytest.raises(TimedOut, match=r"0\.2 s"):
        run_in_thread_loop(deaf(), 0.2)
    before = len(ticks)
    run_in_thread_loop(asyncio.sleep(0.3), None)

    assert len(ticks) == before


def test_a_limit_beyond_all_time_is_none():
    assert run_in_thread_loop(asyncio.sleep(0, "done"), float("inf")) == "done"
    assert run_in_thread_loop(asyncio.sleep(0, "done"), 1e10) == "done"


@pytest.mark.filterwarnings("error")
def test_no_message_is_lost_where_a_loop_runs_already(receivers):
    async def receive(message):
        return message.get_body()

    queue = receivers.register("async", receive)
    receivers.send("async", body="a")

    def receive_it():
        # On a busy machine none may arrive within a poll.
        while (received := queue.receive_single()) is None:
            pass
        return received

    async def debug():
        return receive_it()

    with pytest.raises(EnvironmentFailure, match=r"await asyncio\.to_thread"):
        asyncio.run(debug())

    assert receive_it()[1] == "a"


def test_the_loop_of_a_thread_is_closed_with_it():
    async def loop():
        return asyncio.get_running_loop()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(run_in_thread_loop, loop(), None).result()
        assert not found.is_closed()

    assert found.is_closed()


def test_a_thread_waits_for_nothing_in_vain_after_a_fork():
    """The child closed its copy of the loop, and the parent's was never woken again."""

    async def call():
        return await asyncio.to_thread(lambda: "done")

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_in_thread_loop, call(), 5).result() == "done"
        if (child := os.fork()) == 0:
            try:
                gc.collect()
            finally:
                os._exit(0)
        os.waitpid(child, 0)

        began = time.monotonic()
        assert pool.submit(run_in_thread_loop, call(), 5).result() == "done"

    assert time.monotonic() - began < 2
