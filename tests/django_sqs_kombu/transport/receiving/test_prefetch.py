"""A prefetch count that is changed while its consumer runs: no more is delivered than it says."""

import contextlib
import time

import kombu
import pytest

MANY = 120


class Consuming:
    """A quick consumer, for which more messages wait than it has taken."""

    def __init__(self, connection, queue, eventually):
        self.connection, self.seen = connection, []
        self.consumer = kombu.Consumer(
            connection, [queue], on_message=self.seen.append, prefetch_count=20
        )
        self.consumer.consume()
        self.held = self.consumer.channel.held
        # Its pace is known soon.
        for _ in range(MANY - 20):
            connection.drain_events(timeout=10)
            self.seen.pop().ack()
            if self.held.startable(queue.name) > 6:
                break
        else:
            pytest.fail("nothing waits for it")

    def drain(self, seconds=1.0):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=0.1)


@pytest.fixture
def consuming(receivers, eventually):
    with receivers.new_connection() as connection:

        def consuming(name="orders"):
            queue = receivers.register(name)
            groups = [{"group_id": str(n)} if name.endswith(".fifo") else {} for n in range(MANY)]
            with receivers.batch():
                for group in groups:
                    queue.send(body="x", **group)
            return Consuming(connection, queue.get_queue(), eventually)

        yield consuming


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_of_what_waits_no_more_is_delivered_than_the_lower_count(consuming, name):
    it = consuming(name)

    it.consumer.qos(prefetch_count=2)

    it.drain()
    assert len(it.seen) == 2
    for settled, settle in enumerate(("ack", "requeue", "release", "abandon")):
        getattr(it.seen[settled], settle)()
        it.drain(0.3)
        assert len(it.seen) == settled + 3


def test_none_is_delivered_until_as_many_are_settled_as_there_are_too_many(consuming):
    it = consuming()
    while len(it.seen) < 4:
        it.connection.drain_events(timeout=10)
    it.consumer.qos(prefetch_count=2)
    for message in it.seen[:2]:
        message.ack()
    it.drain(0.5)
    assert len(it.seen) == 4

    it.seen[2].ack()

    it.drain(0.5)
    assert len(it.seen) == 5


@pytest.mark.parametrize("count", [4, 0])
def test_what_was_held_up_is_delivered_when_the_count_is_raised_again(consuming, count):
    it = consuming()
    it.consumer.qos(prefetch_count=1)
    it.drain(0.5)
    assert len(it.seen) == 1

    it.consumer.qos(prefetch_count=count)

    it.drain(0.5)
    assert len(it.seen) == 4 if count else len(it.seen) > 6


def test_a_wait_for_what_is_held_up_ends_in_its_time(consuming):
    it = consuming()
    it.consumer.qos(prefetch_count=1)
    it.drain(0.2)
    began, used = time.monotonic(), time.thread_time()

    with pytest.raises(TimeoutError):
        it.connection.drain_events(timeout=1)

    assert 0.9 < time.monotonic() - began < 3
    assert time.thread_time() - used < 0.5


def test_what_is_held_up_is_given_back_at_the_end(consuming, counts):
    it = consuming()
    it.consumer.qos(prefetch_count=1)
    it.drain(0.3)
    name = it.consumer.queues[0].name

    it.connection.close()

    assert counts(name)[1] == 0
