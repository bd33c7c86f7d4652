"""The first seeds of the simulation; ``make simulation`` tries more."""

import os
import subprocess
import sys

import pytest

from ..processes import ROOT

SABOTAGE = """
import sys
from tests.simulation.__main__ import in_a_process
{change}
for seed in range(20):
    if any("{says}" in text for text in in_a_process(seed, "{kind}", "{weather}")):
        sys.exit(0)
sys.exit("it was not found")
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("kind", ["kombu", "receivers"])
def test_nothing_is_lost_doubled_stranded_or_out_of_order(kind):
    done = run("-m", "tests.simulation", "0", "10", "--kind", kind)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 tried, 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("kind", "weather", "says", "change"),
    [
        (
            "kombu",
            "calm",
            "delivered before one of its group",
            "from django_sqs_kombu.transport.holding.lanes import Lanes\n"
            "join = Lanes.join\n"
            "Lanes.join = lambda self, held: join(self, held) or True",
        ),
        (
            "kombu",
            "calm",
            "taken from whoever held it",
            "from django_sqs_kombu.transport.holding.leases import Leases\n"
            "due = Leases.due\n"
            "Leases.due = lambda self, now: (due(self, now)[0], [])",
        ),
        (
            "kombu",
            "flaky",
            "stranded",
            "from django_sqs_kombu.transport.settling.settlements import Settlements\n"
            "Settlements._failed = lambda self, *failed: None",
        ),
        (
            "receivers",
            "calm",
            "events within a second",
            "from django_sqs_kombu.transport.receiving.poller import Poller\n"
            "Poller._step_at = lambda self, when: self._step_soon()",
        ),
    ],
    ids=["order", "leases", "settlements", "circles"],
)
def test_it_finds_what_is_broken(kind, weather, says, change):
    done = run("-c", SABOTAGE.format(kind=kind, weather=weather, says=says, change=change))

    assert done.returncode == 0, done.stdout + done.stderr
