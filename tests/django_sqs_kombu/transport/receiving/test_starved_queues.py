"""A queue whose consumer is busy with others, which are never empty, has its turn."""

import threading
import time

import kombu
import pytest

import django_sqs_kombu.transport  # noqa: F401 - it registers the transports
from benchmarks.servers import stub as run_stub
from django_sqs_kombu import ReceiverConsumer, Receivers


@pytest.fixture(scope="module")
def stub():
    with run_stub() as server:
        yield server


def test_one_that_is_consumed_later(stub):
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


@pytest.mark.slow
@pytest.mark.parametrize(("pause", "timeout"), [(0.05, 5), (0.02, 1)])
def test_one_with_a_short_timeout_beside_ten_with_long_ones(stub, pause, timeout):
    stub.create("long", 10)
    stub.create("short", 1)
    stub.queue("short0", left=3)
    receivers = Receivers(
        f"sqs-batch://k:s@{stub.url.removeprefix('http://')}",
        transport_options={"region": "us-east-1", "is_secure": False},
    )
    came = []

    def receive(message):
        came.append(message.queue.name)
        time.sleep(pause)

    for number in range(10):
        receivers.register(f"long{number}", receive, visibility_timeout=600)
    receivers.register("short0", receive, visibility_timeout=timeout)
    consumer = ReceiverConsumer(receivers, grace_period=5)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        time.sleep(3)
        before = came.count("short0")
        stub.queue("short0", left="all")
        deadline = time.monotonic() + 60
        while came.count("short0") < before + 8 and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        consumer.stop(break_off=True)
        thread.join(30)

    assert came.count("short0") >= before + 8
