"""A stop in the midst of messages leaves none of them hidden."""

import threading
import time

import pytest

#: Waits for leases and polls to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow

STOPS = 4


@pytest.fixture(params=["it is noticed", "it is not noticed"])
def queue(request, receivers, server, tally):
    """A queue; the server notices that a poll's client is gone, or not."""
    queue = receivers.register("orders", tally)
    if request.param == "it is not noticed":
        server.keeps_polls.add(queue.full_name())
    yield queue
    server.keeps_polls.discard(queue.full_name())


@pytest.fixture
def load(queue):
    """A sender that goes on until the test ends."""
    over = threading.Event()

    def send():
        while not over.wait(0.01):
            queue.send_many(["x"] * 5)

    thread = threading.Thread(target=send)
    thread.start()
    yield over
    over.set()
    thread.join(20)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_stop_under_load_strands_nothing(
    threads, queue, load, receivers, tally, start, eventually, counts
):
    for _ in range(STOPS):
        seen = len(tally.starts)
        consumer, thread = start(receivers, threads=threads)
        eventually(lambda seen=seen: len(tally.starts) > seen)
        time.sleep(0.3)

        consumer.stop()
        thread.join(20)

        assert not thread.is_alive()
        # What was done and what was not started: nothing is held any more.
        assert counts(queue.full_name())[1] == 0
    load.set()
    # A poll that was broken off would take messages by now.
    time.sleep(1.5)
    assert counts(queue.full_name())[1] == 0
    assert not tally.twice


@pytest.mark.parametrize("threads", [1, 4])
def test_a_stop_while_the_queue_is_empty_takes_nothing_that_comes_later(
    threads, queue, receivers, start, eventually, counts, server
):
    consumer, thread = start(receivers, threads=threads)
    eventually(lambda: server.count("ReceiveMessage", queue.full_name()) >= 1)

    consumer.stop()
    thread.join(25)
    assert not thread.is_alive()
    queue.send_many(["x"] * 5)
    time.sleep(1.5)

    assert counts(queue.full_name()) == (5, 0, 0)
