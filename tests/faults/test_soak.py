"""Full load for a while: memory and file descriptors stay flat."""

import os
import time

from .conftest import LONG

SECONDS = 600 if LONG else 12
WARM_UP = 60 if LONG else 5
#: The most file descriptors: the slower the machine, the more requests are under way, each over a
#: connection; of what leaks one with each request there would soon be thousands.
MOST_DESCRIPTORS = 128
#: Bytes that the resident memory may grow after the warm-up.
GROWTH = 8 * 2**20


def memory(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_memory_and_descriptors_stay_flat(world, eventually):
    worker = world.project.start("runreceiver", "light", "--threads=4", TEST_QUIET="1")
    sent = 0
    started = time.monotonic()
    before = None
    while (now := time.monotonic() - started) < SECONDS:
        world.send_light(500)
        sent += 500
        # The backlog stays short, so that this is a matter of throughput.
        eventually(lambda: world.left("light") < 500, timeout=60)
        if before is None and now > WARM_UP:
            before = memory(worker.pid), descriptors(worker.pid)
    after = memory(worker.pid), descriptors(worker.pid)
    eventually(lambda: world.left("light") == 0, timeout=60)

    assert before is not None
    assert after[0] - before[0] < GROWTH
    assert after[1] <= MOST_DESCRIPTORS
    print(
        f"{sent} messages in {SECONDS} s: memory {before[0] / 2**20:.1f} to {after[0] / 2**20:.1f} "
        f"MB, file descriptors {before[1]} to {after[1]}"
    )
