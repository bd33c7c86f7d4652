"""Fixtures: a real server, names of one's own, and workers as real processes."""

import itertools
import json
import os
import signal
import time
import uuid

import boto3
import pytest

from django_sqs_kombu import Receivers

from .documentation import build_once
from .order import dealt
from .project import Project
from .server import Server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it has in the background so, and some tests press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    run = getattr(config, "workerinput", None)
    if run is not None:
        items[:] = dealt(items, run["workercount"])


@pytest.fixture(scope="session")
def server():
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqs(server):
    return boto3.client(
        "sqs",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )


@pytest.fixture(scope="session")
def built_docs(tmp_path_factory, request):
    """The folder of the documentation's pages; all workers of a run share it."""
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    own = tmp_path_factory.getbasetemp()
    return build_once((own.parent if hasattr(request.config, "workerinput") else own) / "docs")


@pytest.fixture
def prefix():
    return f"t{next(_numbers)}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def s3(server, prefix):
    """An S3 client; the bucket has the name of the prefix."""
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )
    client.create_bucket(Bucket=prefix)
    return client


@pytest.fixture
def transport_options(server):
    return {"endpoint_url": server.url, "region": "us-east-1", "backoff_base": 1}


@pytest.fixture
def wire_format():
    return "kombu"


@pytest.fixture
def receivers(prefix, transport_options, wire_format):
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        wire_format=wire_format,
        transport_options=transport_options,
    )
    yield receivers
    receivers.close()


@pytest.fixture
def counts(sqs):
    """How many messages a queue has: (visible, in flight, delayed)."""

    def read(name):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return tuple(
            int(attributes[key])
            for key in (
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            )
        )

    def counts(name):
        # moto counts the one kind after the other: what becomes visible meanwhile is of none.
        found = read(name)
        return found if any(found) else read(name)

    return counts


@pytest.fixture
def eventually():
    """Wait until a condition is true, and return its value."""

    def eventually(condition, timeout=30.0):
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not true within {timeout} s"
            time.sleep(0.05)
        return value

    return eventually


@pytest.fixture
def project(server, prefix, tmp_path):
    """The test project with a database of its own and this test's prefix."""
    project = Project(server.url, prefix, tmp_path)
    yield project
    project.end_processes()


@pytest.fixture
def bodies(sqs, prefix):
    """Take the messages of a queue out of it: their envelopes' bodies, in order."""

    def bodies(name):
        url = sqs.get_queue_url(QueueName=f"{prefix}__{name}")["QueueUrl"]
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"])["body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return bodies
