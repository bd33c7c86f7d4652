"""How many messages are held that no receiver has started, as the server counts them."""

import itertools
import threading
import time

import pytest

from benchmarks.servers import stub as run_stub
from django_sqs_kombu import ReceiverConsumer, Receivers

pytestmark = pytest.mark.slow

THREADS = 10
#: Of the queue, in seconds.
VISIBILITY_TIMEOUT = 30
#: Seconds that each case is looked at, and from when on the pace is known.
LOOK, KNOWN_AFTER = 2.5, 1.0
#: Looks over which a pace is taken.
STEP = 10
#: Seconds of a round trip that are this process's and the server's own, at least: on a busy
#: machine, as many as the test's own questions take.
OWN = 0.1


@pytest.fixture(scope="module")
def stub():
    with run_stub() as server:
        yield server


@pytest.fixture
def consumed(stub):
    """A consumer of a queue that is full for ever; returns what was seen of it."""
    ending = []

    def consumed(pause, latency):
        receivers = Receivers(
            f"sqs-batch://k:s@{stub.url.removeprefix('http://')}",
            transport_options={"region": "us-east-1", "is_secure": False},
        )
        name, numbers = f"unstarted-{pause}-{latency}".replace(".", "-"), itertools.count()
        stub.create(name, 1)

        def receive(message):
            next(numbers)
            time.sleep(pause)

        receivers.register(f"{name}0", receive)
        receivers.send(f"{name}0", body="x" * 100)
        stub.reset(latency)
        stub.queue(f"{name}0", left="all")
        consumer = ReceiverConsumer(receivers, threads=THREADS, grace_period=20)
        thread = threading.Thread(target=consumer.run)
        thread.start()
        ending.append((consumer, thread))
        return _watch(stub, numbers)

    yield consumed
    for consumer, thread in ending:
        consumer.stop(break_off=True)
        thread.join(30)


def _watch(stub, numbers):
    """What was seen of a consumer.

    :returns: the most unstarted messages before the pace was known, and after; the fastest pace,
        in seconds a message; the longest that the server took to answer.
    """
    began, looks, most, own = time.monotonic(), 0, [0, 0], OWN
    samples = []
    while (now := time.monotonic()) < began + LOOK:
        # Those that start meanwhile count as unstarted, and none that is does not.
        started, looks = next(numbers) - looks, looks + 1
        stats = stub.stats()
        own = max(own, time.monotonic() - now)
        late = now > began + KNOWN_AFTER
        most[late] = max(most[late], stats["handed_out"] - stats["given_back"] - started)
        samples.append((now, started))
        time.sleep(0.02)
    # It takes time until it is reached: polls at once follow what has come.
    spans = zip(samples, samples[STEP:], strict=False)
    return *most, min((b - a) / max(1, m - n) for (a, n), (b, m) in spans), own


@pytest.mark.parametrize("latency", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("pause", [0.0, 0.001, 0.02, 1.0])
def test_no_more_wait_than_hide_the_latency_and_start_soon(consumed, pause, latency):
    at_first, most, pace, own = consumed(pause, latency)

    share = VISIBILITY_TIMEOUT / 3 / pace
    # One round trip's and a half are asked for, and meanwhile the pace may fall by half.
    hidden = 3 * (latency + own) / pace + 20
    assert most <= min(share, hidden) + THREADS
    # Until it is known how soon they start: no more than there are receivers, and one request.
    assert at_first <= max(2 * THREADS, min(share, hidden) + THREADS)
