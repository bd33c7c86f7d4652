"""Processes that are killed or stopped under load: what is lost, and what is done twice."""

import os
import signal
import time

from .conftest import LONG

MESSAGES, KILLS = (5_000, 20) if LONG else (600, 5)
STOPS = 20 if LONG else 4
#: What one process holds at most: prefetch and what lingers before its delete.
HELD = 10 + 4 * 2 + 10


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_kill_9_of_children_and_supervisors_loses_nothing(world, eventually):
    options = ("--processes=3", "--threads=2")
    world.send(MESSAGES)
    worker = world.start(*options)
    eventually(lambda: world.done() > 0, timeout=30)

    for number in range(KILLS):
        time.sleep(world.random.uniform(0.3, 1.0))
        if number % 5 == 4:
            victims = [worker.pid]
        else:
            children = eventually(lambda w=worker: children_of(w.pid), timeout=10)
            victims = [world.random.choice(children)]
        for victim in victims:
            world.killed.add(victim)
            os.kill(victim, signal.SIGKILL)
        if worker.pid in victims:
            worker.wait()
            # Its children end by themselves when they notice.
            worker = world.start(*options)
    world.wait_for_all(timeout=240 if LONG else 90)

    again = {body: runs for body, runs in world.runs().items() if len(runs) > 1}
    # Whatever ran twice was held by a process that was killed.
    assert all(pid in world.killed for runs in again.values() for pid, _ in runs[:-1])
    assert len(again) <= KILLS * HELD
    eventually(lambda: world.left() == 0, timeout=20)
    print(f"{MESSAGES} messages, {KILLS} kills: none lost, {len(again)} received twice")


def test_sigterm_under_load_does_nothing_twice(world, eventually):
    world.send(MESSAGES)
    for _ in range(STOPS):
        before = world.done()
        worker = world.start("--processes=2", "--threads=2")
        eventually(lambda before=before: world.done() > before, timeout=30)
        time.sleep(world.random.uniform(0.0, 0.7))
        started = time.monotonic()
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 0, worker.output
        # The grace period is 10 s; nothing that runs takes a second.
        assert time.monotonic() - started < 5
    world.start("--processes=2", "--threads=4")
    world.wait_for_all(timeout=240 if LONG else 90)

    runs = world.runs()
    assert {body: n for body, n in runs.items() if len(n) > 1} == {}
    assert len(runs) == world.sent
    eventually(lambda: world.left() == 0, timeout=20)
