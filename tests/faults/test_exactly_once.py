"""The inbox and the outbox, killed between every two lines, on SQLite and PostgreSQL."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ..processes import ROOT, Process

SCRIPT = ROOT / "tests" / "faults" / "crash_site.py"


def as_postgres(*command):
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*prefix, *command]


@pytest.fixture(scope="session")
def postgres():
    """The port of a PostgreSQL server of this session's own."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not shutil.which("initdb") or not shutil.which("postgres"):
        pytest.skip("PostgreSQL is not installed")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o777)
        data = folder / "data"
        subprocess.run(
            as_postgres("initdb", "-D", str(data), "-A", "trust", "-U", "postgres"),
            check=True,
            capture_output=True,
            cwd=folder,
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = ("-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "fsync=off")
        server = Process(as_postgres("postgres", "-D", str(data), *options), dict(os.environ))
        stack.callback(server.end)
        deadline = time.monotonic() + 30
        while "ready to accept connections" not in server.output:
            assert time.monotonic() < deadline, server.output
            time.sleep(0.1)
        yield port


@pytest.fixture(params=["sqlite", "postgresql"])
def crash(request, project, prefix):
    if request.param == "postgresql":
        port = request.getfixturevalue("postgres")
        name = "test_" + prefix.replace("-", "_")
        import psycopg

        with psycopg.connect(
            f"host=127.0.0.1 port={port} user=postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        project.env["TEST_POSTGRES"] = f"{port}/{name}"
    else:
        project.database.unlink()

    def crash(scenario):
        done = Process([sys.executable, str(SCRIPT), scenario], project.env)
        project.add(done)
        assert done.wait(150) == 0, done.output[-3000:]
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
        found += [m["MessageAttributes"]["django_sqs.id"]["StringValue"] for m in messages]
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
