"""A queue that a consumer takes on while it is busy with another one."""

import time

import kombu
import pytest

import django_sqs_kombu.transport  # noqa: F401 - it registers the transports
from benchmarks.servers import stub as run_stub


@pytest.fixture(scope="module")
def stub():
    with run_stub() as server:
        yield server


def test_its_messages_are_received_although_the_other_is_never_empty(stub):
    stub.create("busy", 1)
    stub.create("later", 1)
    stub.queue("later0", left=3)
    url = f"sqs-batch://k:s@{stub.url.removeprefix('http://')}"
    options = {"region": "us-east-1", "is_secure": False}
    came = {"busy0": 0, "later0": 0}

    def receive(message):
        came[message.delivery_info["routing_key"]] += 1
        message.ack()
        time.sleep(0.001)

    with kombu.Connection(url, transport_options=options) as connection:
        consumer = connection.Consumer([kombu.Queue("busy0")], on_message=receive)
        consumer.consume()
        deadline = time.monotonic() + 30
        # So that its pace is known.
        while came["busy0"] < 300 and time.monotonic() < deadline:
            connection.drain_events(timeout=5)
        consumer.add_queue(kombu.Queue("later0"))
        consumer.consume()
        while came["later0"] < 3 and time.monotonic() < deadline:
            connection.drain_events(timeout=5)

    assert came["later0"] == 3
