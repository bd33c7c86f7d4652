"""Signals that stop a command, at any moment of its waiting."""

import subprocess
import sys

from ...project import MANAGE

#: Signals at each line of a wait, and of another signal's handler.
SCRIPT = """
import itertools, signal, sys
from django_sqs.management.stopping import stop_by_signals

for step in itertools.count(1):
    stopping, left = stop_by_signals(), step

    def trace(frame, event, argument):
        global left
        if event == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGTERM)
        return trace

    sys.settrace(trace)
    ended = stopping.wait(0.01) or stopping.wait(0.01)
    sys.settrace(None)
    if left > 0:
        break
    print(step, flush=True)
print("ended", flush=True)
"""


def test_a_signal_at_any_moment_of_a_wait_ends_it():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=MANAGE.parent,
        check=False,
    )

    assert done.stdout.splitlines()[-1:] == ["ended"], done.stderr
    assert "1" in done.stdout.splitlines()
