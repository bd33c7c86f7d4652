"""Batch receivers under kills, stops and an outage: what is lost, and what is done twice."""

import os
import signal
import time

import pytest

from ..project import Project
from .conftest import LONG, sqs_client
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
        # After a few that die at once, a supervisor starts the next ones later.
        victim = world.random.choice(eventually(lambda: children_of(worker.pid), timeout=60))
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


@pytest.mark.skipif(not LONG, reason="a long one")
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


@pytest.mark.skipif(not LONG, reason="a long one")
def test_one_that_kills_its_process_is_found_in_its_batch(project, eventually, prefix, counts):
    project.env["TEST_VISIBILITY_TIMEOUT"] = "2"
    send = "import django_sqs; django_sqs.queues['poison-batch'].send_many(['0', 'kill', '1', '2'])"
    project.run("shell", "-c", send)

    worker = project.start("runreceiver", "poison-batch", "--processes=2")

    eventually(lambda: counts(f"{prefix}__poison-batch") == (0, 0, 0), timeout=60)
    assert project.bodies("poison-batch").count("kill") == 3
    assert set("012") <= set(project.bodies("poison-batch"))
    assert "has killed its process too often" in worker.output
    assert worker.popen.poll() is None


@pytest.mark.skipif(not LONG, reason="a long one")
def test_kills_keep_the_order_of_each_group(fast_server, prefix, tmp_path, eventually, request):
    address = f"http://127.0.0.1:{fast_server}"
    project = Project(address, prefix, tmp_path)
    request.addfinalizer(project.end_processes)
    project.env.update(TEST_LANES_BATCH="4", TEST_VISIBILITY_TIMEOUT="3")
    client = sqs_client(address)
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "3"}
    url = client.create_queue(QueueName=f"{prefix}__lanes.fifo", Attributes=attributes)["QueueUrl"]
    for body in (f"{group}-{number:02}" for number in range(20) for group in "abcdef"):
        client.send_message(
            QueueUrl=url, MessageBody=body, MessageGroupId=body[0], MessageDeduplicationId=body
        )
    worker = project.start("runreceiver", "lanes.fifo", *OPTIONS)

    def finished():
        """The bodies by when their first run that finished was started."""
        return list(dict.fromkeys(r["body"] for r in project.runs("lanes.fifo") if r["finished"]))

    for _ in range(8):
        done = len(finished())
        eventually(lambda done=done: len(finished()) > done + 2, timeout=40)
        os.kill(eventually(lambda: children_of(worker.pid))[0], signal.SIGKILL)
    eventually(lambda: len(finished()) == 120, timeout=90)

    for group in "abcdef":
        bodies = [body for body in finished() if body[0] == group]
        assert bodies == sorted(bodies)
