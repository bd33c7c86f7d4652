"""Asynchronous receivers that run together on one event loop."""

import asyncio
import contextvars
import logging
import sys
import threading

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    Continue,
    Middleware,
    ReceiverConsumer,
    RestartLater,
    Retry,
    TimedOut,
    stopping,
)
from django_sqs_kombu.working import awaiting, calls_under_way, current_message


def test_async_receivers_run_together_on_one_loop_and_are_settled(
    receivers, prefix, consume, counts
):
    loops, threads, at_once = set(), set(), []
    together = asyncio.Event()

    @receivers.receiver("async")
    async def receive(message):
        loops.add(asyncio.get_running_loop())
        threads.add(threading.current_thread().name)
        at_once.append(message.get_body())
        if len(at_once) == 12:
            together.set()
        await asyncio.wait_for(together.wait(), 10)

    receivers.send_many("async", map(str, range(12)))
    consume(12)

    assert sorted(at_once, key=int) == [str(n) for n in range(12)]
    assert len(loops) == 1
    assert threads == {"sqs-loop"}
    assert counts(f"{prefix}__async") == (0, 0, 0)


def test_receivers_that_end_at_once_are_settled(receivers, prefix, consume, counts, caplog):
    switches = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)

    @receivers.receiver("async")
    async def receive(message): ...

    receivers.send_many("async", map(str, range(80)))
    try:
        consume(80)
    finally:
        sys.setswitchinterval(switches)

    assert counts(f"{prefix}__async") == (0, 0, 0)
    # On a busy machine it is said that the threads are.
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert not [r for r in errors if not r.name.endswith(".stages")]
    # Nothing of them is kept.
    assert not awaiting._by_task


def test_what_becomes_of_a_message_is_decided_by_the_same_table(
    receivers, prefix, consume, counts, caplog
):
    caplog.set_level(logging.DEBUG, "django_sqs_kombu")
    seen = []

    @receivers.receiver("async", timeout=5)
    async def receive(message):
        body = message.get_body()
        seen.append((body, message.cursor))
        await asyncio.sleep(0)
        if body == "again" and len([b for b, _ in seen if b == "again"]) == 1:
            raise RestartLater(0)
        if body == "on" and message.cursor is None:
            raise Continue(7)
        if body == "exit":
            raise SystemExit(3)
        if body == "fail":
            raise ValueError("its fault")
        if body == "generator":
            return (n for n in ())
        return None

    receivers.send_many("async", ["good", "again", "on", "exit", "fail", "generator"])
    consume(8)

    assert sorted(body for body, _ in seen) == sorted(
        ["good", "again", "again", "on", "on", "exit", "fail", "generator"]
    )
    assert ("on", 7) in seen
    assert counts(f"{prefix}__async") == (0, 0, 0)
    failed = [r for r in caplog.records if "made its receiver fail" in r.message]
    assert {type(r.exc_info[1]).__name__ for r in failed} == {
        "SystemExit",
        "ValueError",
        "ReceiverReturnedGenerator",
    }


def test_what_a_receiver_says_of_its_message_is_done(receivers, prefix, consume, counts):
    seen = []

    @receivers.receiver("async", dead_letter=(LookupError,), dead_letter_queue="async-dead")
    async def receive(message):
        seen.append(message.get_body())
        if message.get_body() == "bad":
            message.fail(LookupError("bad"))
        elif seen.count("again") == 1:
            message.restart(0)

    receivers.send_many("async", ["bad", "again"])
    consume(3)

    assert sorted(seen) == ["again", "again", "bad"]
    assert counts(f"{prefix}__async") == (0, 0, 0)
    assert counts(f"{prefix}__async-dead") == (1, 0, 0)


def test_a_receiver_that_awaits_too_long_is_cancelled_and_harms_no_other(
    receivers, prefix, consume, counts, caplog
):
    cleaned_up, done = [], []

    @receivers.receiver("async", timeout=0.3)
    async def receive(message):
        if message.get_body() == "quick":
            await asyncio.sleep(0.2)
            done.append(True)
            return
        try:
            await asyncio.sleep(30)
        finally:
            cleaned_up.append(True)

    receivers.send_many("async", ["slow", "quick", "slow", "quick"])
    consume(4)

    assert (len(cleaned_up), len(done)) == (2, 2)
    assert counts(f"{prefix}__async") == (0, 0, 0)
    late = [r for r in caplog.records if "took its receiver too long" in r.message]
    assert [str(r.exc_info[1]) for r in late] == ["timed out after 0.3 s"] * 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio does not tell before 3.11")
def test_a_receiver_that_cancels_all_others_costs_none_of_their_messages(
    receivers, prefix, consume, counts, caplog
):
    began, done = [], []

    @receivers.receiver("async")
    async def receive(message):
        began.append(message.get_body())
        if message.get_body() == "guilty":
            while len(began) < 4:
                await asyncio.sleep(0.01)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        elif began.count(message.get_body()) == 1:
            await asyncio.sleep(20)
        done.append(message.get_body())

    receivers.send_many("async", ["guilty", "a", "b", "c"])
    consume(7)

    assert sorted(done) == ["a", "b", "c", "guilty"]
    assert counts(f"{prefix}__async") == (0, 0, 0)
    assert len([r for r in caplog.records if "cancelled by other code" in r.message]) == 3


def test_a_receiver_that_cannot_be_cancelled_keeps_its_place_and_message_until_it_ends(
    receivers, eventually, prefix, start, counts, caplog
):
    let_go = threading.Event()
    at_once, most, seen = [], [], []

    @receivers.receiver("async", timeout=0.05)
    async def receive(message):
        at_once.append(True)
        most.append(len(at_once))
        seen.append(message.get_body())
        try:
            while message.get_body() == "deaf" and not let_go.is_set():
                try:
                    await asyncio.sleep(0.02)
                except asyncio.CancelledError:
                    continue
        finally:
            at_once.pop()

    receivers.send("async", body="deaf")
    start(receivers, coroutines=1)
    eventually(lambda: seen)
    receivers.send("async", body="next")
    eventually(lambda: "swallows its cancellation: the message is held" in caplog.text)
    assert seen == ["deaf"]
    assert counts(f"{prefix}__async")[1]
    let_go.set()
    eventually(lambda: len(seen) == 2)
    eventually(lambda: counts(f"{prefix}__async") == (0, 0, 0))

    assert max(most) == 1


@pytest.mark.parametrize("coroutines", [None, 2])
def test_no_other_attempt_begins_beside_a_call_that_outlasts_its_receiver(
    receivers, eventually, prefix, start, counts, caplog, monkeypatch, coroutines
):
    for module in (awaiting, calls_under_way):
        monkeypatch.setattr(module, "SAY", 0.02)
    let_go, begun, cancelled = threading.Event(), [], []

    def work():
        begun.append(let_go.is_set())
        let_go.wait(20)

    @receivers.receiver("async", timeout=0.1, retry=Retry((TimedOut,), tries=2, backoff=0))
    async def receive(message):
        try:
            await asyncio.to_thread(work)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    receivers.send("async", body="x")
    start(receivers, coroutines=coroutines)
    eventually(lambda: cancelled)
    eventually(lambda: "a call that it made in a thread is still running" in caplog.text)
    assert counts(f"{prefix}__async") == (0, 1, 0)
    let_go.set()
    eventually(lambda: counts(f"{prefix}__async") == (0, 0, 0))

    assert begun == [False, True]


@pytest.mark.parametrize("coroutines", [None, 2])
def test_a_receiver_that_shuts_down_the_loops_executor_leaves_the_others_theirs(
    receivers, caplog, counts, prefix, coroutines
):
    done = []

    @receivers.receiver("async")
    async def receive(message):
        if message.get_body() == "shuts down":
            await asyncio.get_running_loop().shutdown_default_executor()
        done.append(await asyncio.to_thread(message.get_body))

    receivers.send("async", body="shuts down")
    ReceiverConsumer(receivers, message_limit=1, coroutines=coroutines).run()
    receivers.send_many("async", ["shuts down", "a", "b"])
    ReceiverConsumer(receivers, message_limit=3, coroutines=coroutines).run()

    assert sorted(done) == ["a", "b"]
    assert "shutdown_default_executor() is not for receivers" in caplog.text
    assert counts(f"{prefix}__async") == (0, 0, 0)


def test_context_variables_are_each_messages_own(receivers, consume):
    variable = contextvars.ContextVar("variable", default="unset")
    seen = {}

    class Sets(Middleware):
        def receiving(self, registered, delivery):
            return Setting(delivery)

        def settled(self, settlement):
            seen["settled", settlement.delivery.message_id] = variable.get()

    class Setting:
        def __init__(self, delivery):
            self.delivery = delivery

        def __enter__(self):
            self.token = variable.set(self.delivery.message_id)

        def __exit__(self, *args):
            # It raises where the context is another one.
            variable.reset(self.token)
            seen["left", self.delivery.message_id] = variable.get()

    receivers.middleware.append(Sets())

    @receivers.receiver("async")
    async def receive(message):
        assert variable.get() == message.id
        own = variable.set(f"own {message.id}")
        await asyncio.sleep(0.01)
        assert variable.get() == f"own {message.id}"
        assert current_message.get().message_id == message.id
        assert not stopping()
        variable.reset(own)
        seen[message.id] = True

    receivers.send_many("async", map(str, range(10)))
    consume(10)

    ids = [key for key in seen if isinstance(key, str)]
    assert len(ids) == 10
    assert all(seen["left", each] == seen["settled", each] == "unset" for each in ids)


def test_synchronous_receivers_run_in_threads_beside_them(receivers, prefix, consume, counts):
    # A loop that another test has blocked is left to itself, and may end later.
    before = set(threading.enumerate())
    ran = {"sync": [], "async": []}
    sync_runs, async_runs = threading.Event(), threading.Event()

    @receivers.receiver("sync")
    def receive(message):
        sync_runs.set()
        assert async_runs.wait(10)
        ran["sync"].append(threading.current_thread())

    @receivers.receiver("async")
    async def receive_async(message):
        async_runs.set()
        assert await asyncio.to_thread(sync_runs.wait, 10)
        ran["async"].append(threading.current_thread())

    receivers.send_many("sync", list("abc"))
    receivers.send_many("async", list("abc"))
    consume(3)

    # As without coroutines, in the calling thread.
    assert set(ran["sync"]) == {threading.current_thread()}
    assert {thread.name for thread in ran["async"]} == {"sqs-loop"}
    assert counts(f"{prefix}__async") == counts(f"{prefix}__sync") == (0, 0, 0)
    left = set(threading.enumerate()) - before
    assert not [t for t in left if t.name in ("sqs-loop", "sqs-coroutines")]


def test_an_error_of_the_consumer_beside_ends_both(receivers):
    receivers.register("sync", print)

    @receivers.receiver("async")
    async def receive(message): ...

    consumer = ReceiverConsumer(receivers, coroutines=5)

    def fail():
        raise ConfigurationError("it cannot receive")

    consumer._other.on_iteration = fail
    with pytest.raises(ConfigurationError, match="it cannot receive"):
        consumer.run()


def test_coroutines_without_an_async_receiver_are_refused(receivers):
    receivers.register("orders", print)

    with pytest.raises(ConfigurationError, match=r"coroutines=5 is for .*'async def'.*'orders'"):
        ReceiverConsumer(receivers, coroutines=5)


@pytest.mark.parametrize("number", [0, -1, 1.5, "many", True])
def test_a_number_of_coroutines_that_cannot_work_is_refused(receivers, number):
    @receivers.receiver("async")
    async def receive(message): ...

    with pytest.raises(ConfigurationError, match="coroutines"):
        ReceiverConsumer(receivers, coroutines=number)
