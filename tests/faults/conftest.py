"""The world of the fault suite: a fast server, the proxy before it, workers, an accounting."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict

import boto3
import pytest
from botocore.config import Config

from benchmarks import servers
from django_sqs_kombu import Receivers

from ..project import Project
from .proxy import FaultProxy

#: ``FAULTS=long`` (``make faults``) or the short form of every day.
LONG = os.environ.get("FAULTS") == "long"


@pytest.fixture(scope="session")
def fast_server():
    """ministack's port; moto is too slow for thousands of messages."""
    port = servers.free_port()
    try:
        python = servers.environment(servers.MINISTACK, "ministack")
    except subprocess.CalledProcessError:
        pytest.skip("ministack cannot be installed here: pip finds no package index")
    env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "sqs,s3"}
    with servers.process([python.with_name("ministack")], port, **env):
        yield port


@pytest.fixture(scope="session")
def steady_server(request):
    """The port of ministack, or of moto in a process of its own."""
    try:
        yield request.getfixturevalue("fast_server")
    except pytest.skip.Exception:
        port = servers.free_port()
        with servers.process([sys.executable, "-m", "tests.server", port], port):
            yield port


@pytest.fixture
def direct(steady_server):
    """A client of that server, past any proxy."""
    return sqs_client(f"http://127.0.0.1:{steady_server}")


@pytest.fixture
def proxy(fast_server):
    proxy = FaultProxy(fast_server)
    yield proxy
    proxy.stop()


def sqs_client(url):
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
        config=Config(max_pool_connections=50),
    )


class World:
    """Workers behind the proxy, a sender beside it, and what became of each message."""

    def __init__(self, project, proxy, direct, prefix):
        self.project = project
        self.proxy = proxy
        self.prefix = prefix
        self.random = random.Random(20)
        self.sent = 0
        #: Process ids that were killed.
        self.killed = set()
        self._sqs = sqs_client(direct)
        # Straight to the server: what is sent is not the proxy's to break.
        self._receivers = Receivers(
            "sqs-batch://testing:testing-secret@",
            prefix=prefix,
            visibility_timeout=5,
            transport_options={"endpoint_url": direct, "region": "us-east-1"},
        )
        self._receivers.register("counted")
        self._receivers.register("light")

    def send(self, count):
        """Send messages whose bodies are numbers, each once."""
        bodies = [str(n) for n in range(self.sent, self.sent + count)]
        self._receivers.send_many("counted", bodies)
        self.sent += count

    def send_light(self, count):
        """Send messages that are not accounted for."""
        self._receivers.send_many("light", ["x"] * count)

    def start(self, *arguments, **env):
        return self.project.start("runreceiver", "counted", *arguments, **env)

    def runs(self):
        """The runs of each message: (pid, finished), oldest first, by body."""
        found = defaultdict(list)
        for run in self.project.runs("counted"):
            found[run["body"]].append((run["pid"], run["finished"]))
        return found

    def done(self):
        """How many messages have a finished run."""
        return sum(any(finished for _, finished in runs) for runs in self.runs().values())

    def wait_for_all(self, timeout):
        deadline = time.monotonic() + timeout
        while self.done() < self.sent:
            assert time.monotonic() < deadline, f"{self.sent - self.done()} of {self.sent} lost"
            time.sleep(0.2)

    def left(self, queue="counted"):
        """The messages still in a queue: visible, in flight and delayed."""
        url = self._sqs.get_queue_url(QueueName=f"{self.prefix}__{queue}")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return sum(
            int(attributes["Attributes"][f"ApproximateNumberOfMessages{kind}"])
            for kind in ("", "NotVisible", "Delayed")
        )

    def close(self):
        self._receivers.close()


@pytest.fixture
def world(proxy, fast_server, prefix, tmp_path):
    project = Project(proxy.url, prefix, tmp_path)
    with contextlib.closing(sqlite3.connect(project.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    project.env["TEST_VISIBILITY_TIMEOUT"] = "5"
    world = World(project, proxy, f"http://127.0.0.1:{fast_server}", prefix)
    yield world
    project.end_processes()
    world.close()
