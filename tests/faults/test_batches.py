"""Batch receivers under kills, stops and an outage: what is lost, and what is done twice."""

import os
import signal
import time

import pytest

from .conftest import LONG
from .test_kills import children_of

MESSAGES, KILLS, STOPS = (5_000, 20, 20) if LONG else (400, 2, 2)
BATCH, THREADS, PROCESSES = 40, 2, 2
#: What a process may hold: a batch for each thread, one that is gathered, and what is not deleted.
HELD = BATCH * (THREADS + 1) + 40
OPTIONS = (f"--processes={PROCESSES}", f"--threads={THREADS}")


@pytest.fixture
def start(world):
    return lambda: world.start(*OPTIONS, TEST_COUNTED_BATCH=str(BATCH))


def test_kill_9_loses_nothing(world, start, eventually):
    world.send(MESSAGES)
    worker = start()
    eventually(lambda: world.done() > 0, timeout=30)

    for _ in range(KILLS):
        time.sleep(world.random.uniform(0.05, 0.2))
        victim = world.random.choice(eventually(lambda: children_of(worker.pid), timeout=10))
        world.killed.add(victim)
        os.kill(victim, signal.SIGKILL)
    world.wait_for_all(timeout=240 if LONG else 90)

    again = {body: runs for body, runs in world.runs().items() if len(runs) > 1}
    assert all(pid in world.killed for runs in again.values() for pid, _ in runs[:-1])
    assert len(again) <= KILLS * HELD
    eventually(lambda: world.left() == 0, timeout=20)
    print(f"{MESSAGES} messages, {KILLS} kills: none lost, {len(again)} received twice")


def test_sigterm_does_nothing_twice(world, start, eventually):
    world.send(MESSAGES)
    for _ in range(STOPS):
        before = world.done()
        worker = start()
        eventually(lambda before=before: world.done() > before, timeout=30)
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 0, worker.output
    start()
    world.wait_for_all(timeout=240 if LONG else 90)

    assert {body: runs for body, runs in world.runs().items() if len(runs) > 1} == {}
    assert len(world.runs()) == world.sent
    eventually(lambda: world.left() == 0, timeout=20)


def test_an_outage_loses_nothing(world, start, eventually):
    world.send(MESSAGES // 2)
    start()
    eventually(lambda: world.done() > 0, timeout=30)

    world.proxy.set("down")
    world.send(MESSAGES // 2)
    eventually(lambda: world.proxy.tried, timeout=20)
    world.proxy.heal()
    world.wait_for_all(timeout=240 if LONG else 90)

    assert {body: runs for body, runs in world.runs().items() if len(runs) > 1} == {}
    eventually(lambda: world.left() == 0, timeout=20)


def test_a_message_that_kills_its_process_is_found_in_its_batch(
    project, eventually, prefix, counts
):
    project.env["TEST_VISIBILITY_TIMEOUT"] = "2"
    send = "import django_sqs; django_sqs.queues['poison-batch'].send_many(['0', 'kill', '1', '2'])"
    project.run("shell", "-c", send)

    worker = project.start("runreceiver", "poison-batch", "--processes=2")

    eventually(lambda: counts(f"{prefix}__poison-batch") == (0, 0, 0), timeout=60)
    assert project.bodies("poison-batch").count("kill") == 3
    assert set("012") <= set(project.bodies("poison-batch"))
    assert "has killed its process too often" in worker.output
    assert worker.popen.poll() is None
