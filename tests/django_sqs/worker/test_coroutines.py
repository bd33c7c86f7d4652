"""runreceiver --coroutines as real processes: asynchronous receivers on one event loop."""

import os
import re
import signal
import threading
import time
from concurrent.futures import CancelledError
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

import django_sqs
from django_sqs.calls import CallLane
from django_sqs.worker.stats import SharedStats
from django_sqs_kombu.exceptions import TimedOut
from django_sqs_kombu.transport import Threads

pytestmark = pytest.mark.usefixtures("site")


def name(queue):
    return django_sqs.queues[queue].full_name()


def test_many_run_together_in_one_process_beside_synchronous_ones(project, counts):
    django_sqs.send_many("together", ["30"] * 30)
    django_sqs.send_many("plain", ["a", "b"])

    options = ("--processes=1", "--coroutines=30", "--message-limit=30")
    process = project.start("runreceiver", "together", "plain", *options)
    # The message limit is each queue's.
    django_sqs.send_many("plain", map(str, range(28)))

    assert process.wait(60) == 0, process.output
    # Each waits for all others; and their notes are written in a thread for that.
    assert project.bodies("together") == ["sqs-loop"] * 30
    assert len(project.bodies("plain")) == 30
    assert counts(name("together")) == counts(name("plain")) == (0, 0, 0)


@pytest.mark.parametrize("signals", [1, 2])
def test_what_runs_at_the_end_of_the_grace_period_is_given_back(
    project, counts, eventually, signals
):
    django_sqs.send_many("begun", map(str, range(20)))
    grace = "0.5" if signals == 1 else "20"
    worker = project.start(
        "runreceiver", "begun", "--coroutines=20", TEST_PACE="50", TEST_GRACE_PERIOD=grace
    )
    eventually(lambda: len(project.runs("begun")) == 20)
    for number in range(signals):
        worker.signal(signal.SIGTERM)
        eventually(lambda number=number: number or "Stopping on SIGTERM" in worker.output)

    assert worker.wait(20) == 4, worker.output
    assert counts(name("begun")) == (20, 0, 0)
    if signals == 1:
        assert worker.output.count("was cut off at the stop and is given back") == 20


def test_what_ran_in_a_process_that_was_killed_is_received_again(project, counts, eventually):
    bodies = sorted(map(str, range(40)))
    django_sqs.send_many("begun", bodies)
    options = ("runreceiver", "begun", "--coroutines=15")
    worker = project.start(*options, TEST_VISIBILITY_TIMEOUT="2")
    eventually(lambda: any(run["finished"] for run in project.runs("begun")))
    worker.signal(signal.SIGKILL)
    worker.wait()
    runs = project.runs("begun")
    held = {run["body"] for run in runs}
    project.start(*options, TEST_VISIBILITY_TIMEOUT="2")
    eventually(lambda: counts(name("begun")) == (0, 0, 0), timeout=60)

    runs = project.runs("begun")
    done = [run["body"] for run in runs if run["finished"]]
    assert sorted(set(done)) == bodies, "lost"
    twice = {body for body in done if done.count(body) > 1}
    assert twice <= held, "run twice, and not for the kill"


def test_synchronous_code_runs_in_as_many_threads_as_are_said_with_its_transactions(
    project, counts
):
    django_sqs.send_many("transacted", ["committed", "left open"] * 10)
    django_sqs.send_many("called", map(str, range(20)))

    process = project.run(
        *("runreceiver", "transacted", "called", "--processes=1"),
        *("--coroutines=40", "--threads=2", "--message-limit=20"),
    )

    assert process.popen.returncode == 0, process.output
    assert project.bodies("transacted") == ["committed"] * 10
    found = re.findall(r"(\d+) (\d+)", " ".join(project.bodies("called")))
    assert len(found) == 60
    assert len({thread for thread, _ in found}) <= 2
    assert counts(name("transacted")) == counts(name("called")) == (0, 0, 0)


@pytest.mark.parametrize("queue", ["plain", "once_async"])
def test_coroutines_without_a_receiver_for_them_are_refused(queue):
    @django_sqs.receiver("once_async", once=True)
    async def receive(message): ...

    with pytest.raises(CommandError, match=rf"--coroutines is for .*async def.* {queue} "):
        call_command("runreceiver", queue, coroutines=5)


def test_a_process_is_full_by_the_kind_of_receivers():
    stats = SharedStats(["sync", "a", "b"], 1, threads=2, coroutines=3, on_loop=["a", "b"])
    queue, delivery = SimpleNamespace(name="a"), SimpleNamespace(sqs_message={})
    running = [stats.receiving(queue, delivery) for _ in range(3)]
    for each in running:
        each.__enter__()

    # Nobody is free for either queue of that kind.
    assert stats.full_at(0, "a") == pytest.approx(time.monotonic(), abs=1)
    assert stats.full_at(0, "b") == pytest.approx(time.monotonic(), abs=1)
    assert not stats.full_at(0, "sync")


@pytest.fixture
def threads():
    threads = Threads("test-calls", 2)
    yield threads
    threads.end(5)


def test_calls_of_one_message_run_one_after_the_other(threads):
    lane = CallLane(threads, nullcontext, None)
    at_once, most = [], []

    def call():
        at_once.append(True)
        most.append(len(at_once))
        threading.Event().wait(0.002)
        at_once.pop()
        return threading.get_ident()

    futures = [lane.submit(call) for _ in range(10)]

    assert all(future.result(10) for future in futures)
    assert max(most) == 1


def test_a_call_ends_with_the_time_limit_of_its_receiver(threads, monkeypatch):
    monkeypatch.setattr("django_sqs.calls.CANCEL_GRACE", 0.0)
    lane = CallLane(threads, nullcontext, 0.1)

    def call():
        for _ in range(1_000):
            threading.Event().wait(0.01)

    with pytest.raises(TimedOut):
        lane.submit(call).result(10)


def test_calls_that_are_left_at_the_end_of_a_receiver_do_not_run(threads):
    lane = CallLane(threads, nullcontext, None)
    runs, go_on, ran = threading.Event(), threading.Event(), []
    first = lane.submit(lambda: (runs.set(), go_on.wait(10)))
    second = lane.submit(ran.append, True)
    assert runs.wait(10)
    lane.close()
    go_on.set()

    assert first.result(10) == (None, True)
    with pytest.raises(CancelledError):
        second.result(10)
    assert not ran
    with pytest.raises(RuntimeError, match="Await the task before the receiver returns"):
        lane.submit(print)


def test_a_database_that_is_away_fails_the_calls_and_no_more(threads):
    def around():
        raise OSError("no database")

    lane = CallLane(threads, around, None)

    with pytest.raises(Exception, match="no database"):
        lane.submit(print).result(10)
    lane._around = nullcontext
    assert lane.submit(os.getpid).result(10) == os.getpid()
