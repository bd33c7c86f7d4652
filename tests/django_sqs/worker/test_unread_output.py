"""A worker whose output nobody reads any more, as that of a log collector that died, goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import django_sqs

from ...project import MANAGE


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_supervisor_goes_on_and_starts_children_again(project, eventually, counts):
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, str(MANAGE), "runreceiver", "plain", "--processes=2"],
        env={**project.env, "PYTHONUNBUFFERED": ""},
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    try:
        django_sqs.send("plain", body="a")
        eventually(lambda: project.bodies("plain") == ["a"])
        os.close(reader)
        [run] = project.runs("plain")
        os.kill(run["pid"], signal.SIGKILL)
        for body in ("b", "c", "d"):
            django_sqs.send("plain", body=body)

        # The poll of the one that was killed may have taken them for their visibility timeout.
        eventually(lambda: {"b", "c", "d"} <= set(project.bodies("plain")), timeout=60)
        eventually(lambda: len(children(process.pid)) == 2)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(40)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    "output", ["2>&-", ">&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full"]
)
def test_a_supervisor_that_can_write_nothing_starts_its_processes(output, project, eventually):
    """As where its disk is full, or without an output: Python has no such file then."""
    command = f"exec {sys.executable} {MANAGE} runreceiver plain --processes=2 {output}"
    process = subprocess.Popen(["/bin/sh", "-c", command], env=project.env)
    try:
        django_sqs.send("plain", body="a")
        eventually(lambda: project.bodies("plain") == ["a"])
        assert len(children(process.pid)) == 2
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
@pytest.mark.parametrize("output", [">/dev/full", "2>/dev/full"])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_leaves_a_worker_its_exit_code(processes, output, project):
    """What is left in a buffer made it 120, after which systemd starts it again."""
    django_sqs.send("plain", body="a")
    command = f"{sys.executable} {MANAGE} runreceiver plain --message-limit=1"

    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {command} --processes={processes} {output}"],
        env={**project.env, "PYTHONUNBUFFERED": ""},
        timeout=60,
    )

    assert done.returncode == 0
    assert project.bodies("plain") == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="fills a pipe")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("signals", [1, 2])
def test_a_stop_ends_a_worker_whose_log_is_a_full_pipe_that_nobody_reads(
    signals, processes, project, eventually, counts
):
    """As that of a log collector that hangs: whatever writes there waits, the supervisor too."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, str(MANAGE), "runreceiver", "plain", f"--processes={processes}"],
        env={**project.env, "TEST_GRACE_PERIOD": "2" if signals == 1 else "60"},
        stdout=writer,
        stderr=writer,
        start_new_session=True,
    )
    try:
        django_sqs.send("plain", body="a")
        eventually(lambda: project.bodies("plain") == ["a"])
        eventually(lambda: counts(f"{project.prefix}__plain") == (0, 0, 0))
        fill(writer)
        django_sqs.send("plain", body="b")
        eventually(lambda: counts(f"{project.prefix}__plain") == (0, 1, 0))

        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)

        assert process.wait(40) == 4
        # It is given back, unless the supervisor had to kill the process.
        if processes == 1:
            assert counts(f"{project.prefix}__plain") == (1, 0, 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        os.close(reader)
        os.close(writer)


def fill(pipe):
    """Write to it until it takes not one byte more."""
    os.set_blocking(pipe, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, b"\n" * size)
    os.set_blocking(pipe, True)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
