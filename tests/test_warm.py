"""Scripts that are forked end, and speak, as those with a Python of their own."""

import subprocess

import pytest

from .processes import Process
from .warm import Done

SCRIPT = """
import os, sys
print(os.environ["MINE"], os.environ.get("OTHER"), flush=True)
print("told", file=sys.stderr, flush=True)
sys.exit(3)
"""


@pytest.mark.parametrize(("python", "kind"), [({}, Done), ({"PYTHONHASHSEED": "1"}, Process)])
def test_it_is_seen_what_a_script_does(project, python, kind):
    first = project.run("shell", "-v0", "-c", "print(1)", OTHER="of the first", **python)
    done = project.run("shell", "-v0", "-c", SCRIPT, MINE="here", **python)

    assert isinstance(done, kind)
    assert (first.popen.returncode, first.output) == (0, "1\n")
    assert (done.wait(), done.output) == (3, "here None\ntold\n")
    assert first.pid != done.pid


def test_one_that_takes_too_long_is_ended_and_the_next_runs(project):
    assert project.run("shell", "-v0", "-c", "print(1)").output == "1\n"
    with pytest.raises(subprocess.TimeoutExpired):
        project.run("shell", "-v0", "-c", "import time; time.sleep(60)", timeout=0.5)

    assert project.run("shell", "-v0", "-c", "print(2)").output == "2\n"
