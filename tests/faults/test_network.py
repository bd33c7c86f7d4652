"""The way to SQS broken in every manner: nothing is lost, nothing spins, all recovers."""

import time

import pytest

from .conftest import LONG

OUTAGE = 30 if LONG else 4
#: Seconds until messages flow again after the fault is gone.
RECOVERY = 5.0
#: A poll that hangs ends by its own timeout: 5 s after the 20 s that SQS may take.
HUNG_RECOVERY = 30.0

MODES = [
    "down",
    "reset",
    "cut",
    "stalled",
    "throttled",
    "KMS throttled",
    "list",
    "HTML",
    "error 500",
    "error 503",
    "token expired",
    "clock skew",
]


#: The faults that one worker suffers, one after another.
SERIES = [MODES[number::4] for number in range(4)]


@pytest.mark.parametrize("modes", SERIES, ids=", ".join)
def test_faults_of_the_server_and_the_network(modes, world, eventually):
    worker = world.start("--processes=1", "--threads=2")
    world.send(40)
    world.wait_for_all(timeout=40)

    for mode in modes:
        done = world.done()
        world.proxy.set(mode)
        world.send(40)
        time.sleep(OUTAGE)
        tried = world.proxy.tried
        world.proxy.heal()
        healed = time.monotonic()
        eventually(lambda done=done: world.done() > done, timeout=60)
        recovered = time.monotonic() - healed
        world.send(40)
        world.wait_for_all(timeout=60)
        eventually(lambda: world.left() == 0, timeout=40)

        print(f"{mode}: {tried / OUTAGE:.1f} requests/s while broken, back in {recovered:.1f} s")
        # Answers that are only late break nothing, so they go on coming.
        if mode != "stalled":
            assert recovered <= RECOVERY, (mode, worker.output[-3000:])
            # Polls, their helpers, settlements and leases, each with botocore's own tries.
            assert tried <= 8 * OUTAGE, mode
        assert worker.popen.poll() is None, mode


def test_a_connection_that_hangs(world, eventually):
    worker = world.start("--processes=1", "--threads=2")
    world.send(20)
    world.wait_for_all(timeout=40)

    world.proxy.set("hung")
    time.sleep(OUTAGE / 2)
    world.proxy.heal()
    world.send(20)
    healed = time.monotonic()
    world.wait_for_all(timeout=60)

    assert time.monotonic() - healed <= HUNG_RECOVERY
    assert worker.popen.poll() is None


def test_leases_that_cannot_be_renewed(world, eventually):
    worker = world.start("--processes=1", "--threads=1", TEST_COUNTED_SECONDS="8")
    world.proxy.set("error 503", "ChangeMessageVisibilityBatch")
    world.send(1)
    eventually(lambda: len(world.runs().get("0", [])) >= 1, timeout=30)
    other = world.start("--processes=1", "--threads=1")

    # Its visibility timeout of 5 s passes, so another gets it; neither stops.
    eventually(lambda: len(world.runs()["0"]) == 2, timeout=30)
    eventually(lambda: all(finished for _, finished in world.runs()["0"]), timeout=30)
    eventually(lambda: "were not renewed" in worker.output, timeout=10)
    world.proxy.heal()
    world.send(5)

    world.wait_for_all(timeout=60)
    assert worker.popen.poll() is None
    assert other.popen.poll() is None


def test_a_server_so_slow_that_leases_run_out(world, eventually):
    """Renewals are answered after 5 s, the whole of the visibility timeout."""
    worker = world.start("--processes=1", "--threads=2", TEST_COUNTED_SECONDS="8")
    world.proxy.set("stalled", "ChangeMessageVisibilityBatch")
    world.send(4)

    world.wait_for_all(timeout=60)
    world.proxy.heal()
    eventually(lambda: world.left() == 0, timeout=40)

    assert worker.popen.poll() is None
    runs = world.runs()
    assert all(any(finished for _, finished in each) for each in runs.values())
