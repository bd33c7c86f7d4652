"""Processes that are replaced after so many messages, or at so much memory."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

import django_sqs
from django_sqs.worker.recycling import Recycler, Recycling, resident_memory

from ...processes import ROOT
from .test_control import get, url_of

pytestmark = pytest.mark.usefixtures("site")

#: The outbox has no table here.
TROUBLE = re.compile(r"Traceback|ERROR (?!django_sqs.outbox)|ended with")


def name(queue):
    return django_sqs.queues[queue].full_name()


def send(queue, *bodies):
    for body in bodies:
        django_sqs.send(queue, body=str(body))


def test_a_process_is_replaced_after_its_messages_and_the_limit_is_exact(project, counts):
    send("plain", *range(14))

    worker = project.run("runreceiver", "plain", "--recycle-after=5", "--message-limit=12")

    assert worker.wait() == 0
    assert len(set(project.bodies("plain"))) == len(project.bodies("plain")) == 12
    each = Counter(run["pid"] for run in project.runs("plain"))
    assert sorted(each.values()) == [2, 5, 5]
    assert worker.pid not in each
    assert {run["receive_count"] for run in project.runs("plain")} <= {1, 2, 3}
    assert worker.output.count("is replaced after 5 messages") == 2
    assert not TROUBLE.search(worker.output), worker.output
    assert counts(name("plain")) == (2, 0, 0)


@pytest.mark.slow
def test_processes_of_one_message_each_are_no_crash_loop(project):
    send("plain", *range(12))
    send("second", *range(12))

    started = time.monotonic()
    worker = project.run(
        "runreceiver", "plain", "second", "--recycle-after=1", "--message-limit=12"
    )

    assert worker.wait() == 0, worker.output
    # With the pauses of a crash loop it would be three minutes.
    assert time.monotonic() - started < 45
    for queue in ("plain", "second"):
        runs = project.runs(queue)
        assert sorted(run["body"] for run in runs) == sorted(map(str, range(12)))
        assert len({run["pid"] for run in runs}) == 12
    assert not TROUBLE.search(worker.output), worker.output


def test_a_long_receiver_finishes_beside_the_process_that_took_its_place(
    project, eventually, counts, tmp_path
):
    done = tmp_path / "done"
    send("slow", done)
    worker = project.start(
        "runreceiver", "slow", "--threads=2", "--recycle-after=3", TEST_GRACE_PERIOD="1"
    )
    eventually(lambda: project.runs("slow"))
    send("slow", *["0"] * 7)

    eventually(lambda: len(project.runs("slow")) == 8)
    old, *others = [run["pid"] for run in project.runs("slow")]
    assert others.count(old) == 3
    assert [run["finished"] for run in project.runs("slow")].count(0) == 1
    # Longer than the grace period, which is for stops.
    time.sleep(2)
    # It did four, but the place has its old process still.
    assert len(set(others)) == 2
    done.touch()

    eventually(lambda: all(run["finished"] for run in project.runs("slow")))
    eventually(lambda: counts(name("slow")) == (0, 0, 0))
    send("slow", "0")
    eventually(lambda: len(project.runs("slow")) == 9)
    eventually(lambda: worker.output.count("is replaced after") == 2)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert not TROUBLE.search(worker.output), worker.output


@pytest.mark.parametrize(("takes", "code", "left"), [("3", 0, 0), ("60", 4, 1)])
def test_a_stop_has_a_replaced_process_end_within_the_grace_period(
    takes, code, left, project, eventually, counts
):
    send("slow", takes)
    worker = project.start(
        "runreceiver", "slow", "--threads=2", "--recycle-after=1", TEST_GRACE_PERIOD="6"
    )
    eventually(lambda: project.runs("slow"))
    send("slow", "0")
    eventually(lambda: "is replaced after 1 message" in worker.output)

    worker.signal(signal.SIGTERM)

    assert worker.wait(20) == code
    assert ("is still running 6 s after the stop" in worker.output) == bool(left)
    assert counts(name("slow")) == (left, 0, 0)


@pytest.mark.slow
def test_a_process_that_grew_is_replaced(project):
    send("hoarding", *[40] * 9)

    worker = project.run("runreceiver", "hoarding", "--recycle-memory=250", "--message-limit=9")

    assert worker.wait() == 0, worker.output
    each = Counter(run["pid"] for run in project.runs("hoarding"))
    assert sum(each.values()) == 9
    assert 2 <= len(each) <= 4, each
    found = re.findall(r"replaced after \d+ messages, at (\d+) MiB", worker.output)
    assert found
    assert all(225 <= int(mebibytes) < 320 for mebibytes in found)


def test_a_limit_that_a_process_is_above_at_its_start_is_refused(project):
    worker = project.run("runreceiver", "plain", "--recycle-memory=10")

    assert worker.wait() == 1
    assert "--recycle-memory=10 is less than the " in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.slow
def test_it_is_ready_all_the_time(project, eventually):
    worker = project.start(
        "runreceiver", "plain", "second", "--recycle-after=2", "--http=127.0.0.1:0"
    )
    url = url_of(worker, eventually)
    eventually(lambda: get(f"{url}/readyz")[0] == 200)
    seen = set()

    for number in range(8):
        send("plain", number)
        deadline = time.monotonic() + 20
        while len(project.runs("plain")) <= number and time.monotonic() < deadline:
            seen.add(get(f"{url}/readyz"))
    eventually(lambda: worker.output.count("is replaced after 2 messages") == 4)

    assert {status for status, _ in seen} == {200}, seen
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0


def settled(recycler, times):
    for _ in range(times):
        recycler.settled(None)


def test_processes_that_start_together_are_not_replaced_together():
    after = []
    for _ in range(50):
        count, reasons = 0, []
        recycler = Recycler(Recycling(after=1000), lambda: True, reasons.append)
        while not reasons:
            recycler.settled(None)
            count += 1
        after.append(count)

    assert min(after) >= 900
    assert max(after) <= 1000
    assert len(set(after)) > 10


def test_what_shares_its_place_with_an_older_one_goes_on_until_that_has_ended():
    reasons, alone = [], []
    recycler = Recycler(Recycling(after=2), lambda: bool(alone), reasons.append)

    settled(recycler, 5)
    assert not reasons
    alone.append(True)
    settled(recycler, 3)

    assert reasons == ["6 messages"]


def test_memory_is_what_the_system_says():
    before = resident_memory()
    kept = bytearray(b"x") * (64 * 1024 * 1024)

    grown = resident_memory() - before
    assert 56 * 1024 * 1024 < grown < 90 * 1024 * 1024
    assert len(kept)


#: The first says that it is done, and crashes; what took its place ends well.
CRASHING = """
import os, time
from django_sqs.worker.supervisor import Child, Supervisor

def first():
    supervisor.retire()
    time.sleep(1)
    os._exit(70)

def second():
    time.sleep(2)
    return 0

child = Child("a", first)
child.successor = Child("a", second, respawn_at=None)
supervisor = Supervisor([child, child.successor], grace_period=5)
raise SystemExit(supervisor.run())
"""


def test_one_that_crashes_when_it_was_replaced_is_not_started_again():
    done = subprocess.run(
        [sys.executable, "-c", "import logging; logging.basicConfig(level=20)\n" + CRASHING],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.site.settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("started for a") == 2
    assert "replaced before, ended with exit code 70" in done.stderr
