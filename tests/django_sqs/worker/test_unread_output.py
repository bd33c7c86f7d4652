"""A worker whose output nobody reads any more, as that of a log collector that died, goes on."""

import os
import signal
import subprocess
import sys
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


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
