"""Many queues, of which all must be known before they are polled, far away from SQS."""

import threading
import time

import pytest

from benchmarks.servers import stub as run_stub
from django_sqs_kombu import ReceiverConsumer, Receivers

pytestmark = pytest.mark.slow

QUEUES = 128
#: As many as are asked for one by one.
FEW = 64
#: Seconds of a round trip.
AWAY = 0.25


@pytest.fixture
def stub():
    # One for each test: threads that a stop did not wait for may ask it a little later.
    with run_stub() as server:
        yield server


def receivers_of(stub, prefix, count, *, wire="auto", **declared):
    receivers = Receivers(
        f"sqs-batch://k:s@{stub.url.removeprefix('http://')}",
        transport_options={"region": "us-east-1", "is_secure": False, "wire": wire},
    )
    stub.create(prefix, count)
    for number in range(count):
        receivers.register(f"{prefix}{number}", lambda message: None, **declared)
    return receivers


@pytest.mark.parametrize("declared", [{}, {"visibility_timeout": 40}], ids=["plain", "declared"])
def test_many_queues_are_asked_about_side_by_side_and_without_threads(stub, declared):
    receivers = receivers_of(stub, "many", QUEUES, **declared)
    stub.reset(AWAY)
    before = threading.active_count()
    consumer = ReceiverConsumer(receivers, grace_period=5)
    thread = threading.Thread(target=consumer.run)
    started = time.monotonic()
    thread.start()
    try:
        most = 0
        while stub.stats()["requests"].get("ReceiveMessage", 0) < QUEUES:
            most = max(most, threading.active_count() - before)
            assert time.monotonic() - started < 60
            time.sleep(0.02)
        # What only says how they differ from their declarations may come behind the polls.
        while stub.stats()["requests"].get("GetQueueAttributes", 0) < QUEUES:
            assert time.monotonic() - started < 60
            time.sleep(0.02)
        stats = stub.stats()
        learnt = stats["requests"]
    finally:
        consumer.stop(break_off=True)
        thread.join(30)

    # Asked one after another by 16 threads they would be 16; how long it takes says more of what
    # else the machine does.
    assert stats["most_late"] > 16
    assert {learnt[name] for name in ("GetQueueAttributes", "ListQueueTags")} == {QUEUES}
    # Their URLs are found together.
    assert learnt["ListQueues"] == 1
    assert "GetQueueUrl" not in learnt
    # The consumer's own, the I/O thread, and those that wait until a client is made.
    assert most < 24


@pytest.mark.parametrize("wire", ["auto", "botocore"])
def test_a_stop_does_not_wait_for_what_is_asked_before_the_first_poll(stub, wire):
    receivers = receivers_of(stub, f"late-{wire}", FEW, wire=wire)
    stub.reset(30)
    consumer = ReceiverConsumer(receivers, grace_period=5)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    deadline = time.monotonic() + 20
    while stub.stats()["requests"].get("GetQueueUrl", 0) < FEW // 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    consumer.stop()
    stopped_at = time.monotonic()
    thread.join(30)
    assert time.monotonic() - stopped_at < 4
    assert "ReceiveMessage" not in stub.stats()["requests"]
