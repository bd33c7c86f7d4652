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
for seed in range({first}, 20):
    if any("{says}" in text for text in in_a_process(seed, "{kind}", "{weather}")):
        sys.exit(0)
sys.exit("it was not found")
"""
#: The seeds before find nothing, and take their time.
FIRST = {"lost": 4, "buried while it had tries left": 3, "nobody receives it": 1}


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("kind", ["kombu", "site"])
@pytest.mark.parametrize("weather", ["calm", "slow", "flaky", "foul"])
def test_nothing_is_lost_doubled_stranded_or_out_of_order(kind, weather):
    done = run("-m", "tests.simulation", "0", "5", "--kind", kind, "--weather", weather)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 tried, 0 failed" in done.stdout


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
            "site",
            "calm",
            "its payload was left in S3",
            "from django_sqs_kombu.transport.settling.objects import ObjectDeletions\n"
            "ObjectDeletions.delete = lambda self, held: None",
        ),
        (
            "site",
            "calm",
            "its unique key was left",
            "from django_sqs_kombu import CacheTickets\n"
            "CacheTickets.free_all = lambda self, ids: None",
        ),
        (
            "site",
            "calm",
            "run, though it was cancelled",
            "from django_sqs_kombu import CacheTickets\n"
            "CacheTickets.start = lambda self, ticket_id: True",
        ),
        (
            "site",
            "calm",
            "run before its time",
            "from django_sqs_kombu.transport.receiving import intake\n"
            "intake.seconds_until_due = lambda queue, message: 0.0",
        ),
        (
            "site",
            "calm",
            "run after it had expired",
            "from django_sqs_kombu.working import dropping\n"
            "dropping.has_expired = lambda trail: False",
        ),
        (
            "site",
            "foul",
            "run, though SQS had not taken it",
            "from django_sqs_kombu.registration import uniqueness\n"
            "uniqueness.may_be_accepted = lambda failure: False",
        ),
        (
            "site",
            "calm",
            "lost",
            "from django_sqs_kombu.working import outcomes\n"
            "outcomes.send_again = lambda *args, **kwargs: None",
        ),
        (
            "site",
            "calm",
            "buried while it had tries left",
            "from django_sqs_kombu.transport.delivery import Delivery\n"
            "Delivery.receive_count = property(lambda self: 99)",
        ),
        (
            "site",
            "calm",
            "nobody receives it",
            "from django_sqs_kombu.transport.receiving.demand import Demand\n"
            "Demand.reserve = lambda self: 0",
        ),
        (
            "site",
            "calm",
            "threads are left",
            "from django_sqs_kombu.transport.settling import objects\n"
            "objects.IDLE = 1e9\n"
            "objects.ObjectDeletions.close = lambda self, timeout: None",
        ),
        (
            "site",
            "calm",
            "events within a second",
            "from django_sqs_kombu.transport.receiving.poller import Poller\n"
            "Poller._step_at = lambda self, when: self._step_soon()",
        ),
    ],
    ids=[
        "order",
        "leases",
        "settlements",
        "payloads",
        "keys",
        "tickets",
        "delays",
        "expiry",
        "doubts",
        "restarts",
        "burials",
        "demand",
        "threads",
        "circles",
    ],
)
def test_it_finds_what_is_broken(kind, weather, says, change):
    first = FIRST.get(says, 0)
    script = SABOTAGE.format(kind=kind, weather=weather, says=says, change=change, first=first)
    done = run("-c", script)

    assert done.returncode == 0, done.stdout + done.stderr
