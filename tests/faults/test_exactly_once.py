"""The inbox and the outbox, killed between every two lines, on SQLite and PostgreSQL."""

import json
import sys

import pytest

from django_sqs_kombu.transport.sending.trail import Trail

from .. import postgres
from ..processes import ROOT, Process
from .conftest import LONG

#: Seconds for all kills; each costs a quarter of a second of CPU, and others want it, too.
LIMIT = 1800 if LONG else 600
SCRIPT = ROOT / "tests" / "faults" / "crash_site.py"


@pytest.fixture(scope="session")
def server_of_session():
    with postgres.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def crash(request, project, prefix):
    if request.param == "postgresql":
        server = request.getfixturevalue("server_of_session")
        name = "test_" + prefix.replace("-", "_")
        project.env["TEST_POSTGRES"] = server.create_database(name)
    else:
        project.database.unlink()

    def crash(scenario):
        done = Process([sys.executable, str(SCRIPT), scenario], project.env)
        project.add(done)
        assert done.wait(LIMIT) == 0, done.output[-3000:]
        [line] = [line for line in done.output.splitlines() if line.startswith("JSON ")]
        return json.loads(line.removeprefix("JSON "))

    return crash


def ids_in(sqs, name):
    """The ids of a queue's messages, with those that are there twice."""
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += [Trail.of(message["MessageAttributes"]).id for message in messages]
    return found


def test_the_relay_loses_nothing_wherever_it_is_killed(crash, sqs, prefix):
    facts = crash("relay")

    found = ids_in(sqs, f"{prefix}__plain")

    assert facts["lines"] > 40
    assert facts["left"] == 0
    assert sorted(set(found)) == facts["written"]
    # Only a kill between the sending and the commit sends again.
    assert len(found) - len(facts["written"]) < facts["lines"]


def test_a_row_and_its_message_are_committed_together(crash):
    facts = crash("write")

    assert facts["lines"] > 10
    assert facts["orders"] == facts["messages"]
    assert 0 < len(facts["orders"]) < facts["lines"]


def test_a_message_has_its_effect_once(crash):
    facts = crash("inbox")

    assert facts["lines"] > 10
    assert facts["effects"] == list(range(1, facts["lines"] + 1))
