"""A queue whose consumer is busy with others, which are never empty, has its turn."""

import threading
import time
from collections import Counter

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


def consume(stub, timeouts, pause, *, threads, until):
    """Consume from full queues with these timeouts; return what came, by queue."""
    prefix = f"full-{len(timeouts)}-{threads}-{pause * 1000:.0f}-"
    stub.create(prefix, len(timeouts))
    receivers = Receivers(
        f"sqs-batch://k:s@{stub.url.removeprefix('http://')}",
        transport_options={"region": "us-east-1", "is_secure": False},
    )
    came = Counter()

    def receive(message):
        came[int(message.queue.name.removeprefix(prefix))] += 1
        time.sleep(pause)

    for number, timeout in enumerate(timeouts):
        receivers.register(f"{prefix}{number}", receive, visibility_timeout=timeout)
    consumer = ReceiverConsumer(receivers, grace_period=5, threads=threads)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not until(came) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        consumer.stop(break_off=True)
        thread.join(30)
    return came


@pytest.mark.slow
@pytest.mark.parametrize(("pause", "timeout"), [(0.05, 5), (0.02, 1)])
def test_one_with_a_short_timeout_beside_ten_with_long_ones(stub, pause, timeout):
    timeouts = [*[600] * 10, timeout]

    came = consume(stub, timeouts, pause, threads=1, until=lambda came: came.total() >= 200)

    # A fair share is 18.
    assert came[10] >= 5


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_several_whose_receivers_take_longer_than_messages_may_wait(stub, threads):
    came = consume(stub, [1] * 5, 0.4, threads=threads, until=lambda came: came.total() >= 70)

    # A fair share is 14; the first ones may have several that came before the others were asked.
    assert min(came[number] for number in range(5)) >= 4, came
