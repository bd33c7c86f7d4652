"""Keys and tickets with real senders, workers and a relay, of which any is killed at any time."""

import contextlib
import json
import sqlite3
import sys
from collections import defaultdict
from itertools import pairwise

import pytest

from .. import postgres
from ..processes import ROOT, Process
from .conftest import LONG

SCRIPT = ROOT / "tests" / "faults" / "ticket_site.py"
#: How often a process is killed, and how many lines are logged before each.
KILLS, LINES = (300, 40) if LONG else (5, 12)
LIMIT = 1_800 if LONG else 200

DATABASES = ["sqlite", *(["postgresql"] if LONG else [])]


@pytest.fixture(params=DATABASES)
def history(request, project, prefix, tmp_path):
    """What the processes did, and what was left."""
    project.env |= {"TEST_QUIET": "yes", "TEST_BACKOFF": "0.2"}
    if request.param == "postgresql":
        if lacks := postgres.missing():
            pytest.skip(lacks)
        server = request.getfixturevalue("postgres_server")
        project.env["TEST_POSTGRES"] = server.create_database("t_" + prefix.replace("-", "_"))
    else:
        project.add_tables()
        with contextlib.closing(sqlite3.connect(project.database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    log = tmp_path / "log"
    arguments = [sys.executable, str(SCRIPT), str(KILLS), str(LINES), str(log)]
    done = Process(arguments, project.env)
    project.add(done)
    assert done.wait(LIMIT) == 0, done.output[-3000:]
    [line] = [line for line in done.output.splitlines() if line.startswith("JSON ")]
    return History(log.read_text(), json.loads(line.removeprefix("JSON ")))


@pytest.fixture(scope="module")
def postgres_server():
    with postgres.running() as server:
        yield server


class History:
    """What was done when, by what it was.

    :ivar when: for each thing the times at which it was done to a body's ticket.
    """

    def __init__(self, text, left):
        self.left = left
        self.when = defaultdict(lambda: defaultdict(list))
        self.tickets = defaultdict(set)
        self.read = defaultdict(list)
        for line in text.splitlines():
            at, what, body, ticket = line.split()
            if what == "read":
                self.read[body].append(int(ticket))
                continue
            self.when[what][ticket].append(int(at))
            self.tickets[body].add(ticket)

    def of(self, kind):
        """The tickets of each body of a kind."""
        return {body: found for body, found in self.tickets.items() if body[0] == kind}


def test_killed_at_any_time_keys_and_tickets_hold(history):
    when, left = history.when, history.left
    cancelled = set(left["cancelled"])

    assert left["outbox"] == 0
    # Nothing that was sent is lost, and nothing runs that was cancelled.
    assert set(when["sent"]) <= set(when["ends"]) | cancelled
    assert set(when["cancelled"]) <= cancelled
    assert not cancelled & set(when["begins"])
    # Of a key that is kept for its time there is one message.
    assert {len(found) for found in history.of("p").values()} == {1}
    # The others are free in the end, but those of senders that were killed before they sent.
    assert {body[0] for body in left["keys"].values()} <= {"p", "d"}
    directly = {ticket for ticket, body in left["keys"].items() if body[0] == "d"}
    assert not directly & {*when["sent"], *when["begins"]}
    # Whoever was told that one waits was right: it has read all that was written.
    assert {key: max(history.read[key], default=0) for key in left["counters"]} == left["counters"]
    # One that is unique until it is finished never runs beside another.
    for kind in "fdx":
        for tickets in history.of(kind).values():
            begun = sorted((when["begins"][t][0], t) for t in tickets if t in when["begins"])
            for (_, before), (begins, _) in pairwise(begun):
                assert when["ends"][before][0] < begins
    print(f"{len(when['sent'])} sent, {len(when['waits'])} waited, {len(cancelled)} cancelled")
