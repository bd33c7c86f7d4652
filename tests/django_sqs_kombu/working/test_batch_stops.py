"""Stops and pauses while messages are gathered: none comes nearer to the dead letters."""

import threading
import time

import pytest

BOTH = pytest.mark.parametrize("name", ["events", "events.fifo"])
MESSAGES = ["a", "b", "c"]
MAX_RECEIVES = 3


def receives(message):
    return int(message.attributes["ApproximateReceiveCount"])


@pytest.fixture
def ran():
    """The bodies of each batch that was received, with their receive counts."""
    return []


@pytest.fixture
def register(receivers, ran):
    """Register a queue with a redrive policy; each batch waits for others as good as for ever."""

    def register(name, receive=None, **options):
        def note(messages):
            ran.append(sorted((message.get_body(), receives(message)) for message in messages))
            if receive is not None:
                receive(messages)

        dead = name.replace("events", "dead")
        receivers.register(dead, None).get_queue()
        return receivers.register(
            name,
            note,
            **{"batch": 100, "wait": 300, **options},
            dead_letter_queue=dead,
            max_receives=MAX_RECEIVES,
        )

    return register


@pytest.fixture
def gather(receivers, polls, start, eventually, server):
    """Send messages, start a consumer, and wait until it has them and polls for more."""

    def gather(queue, bodies=MESSAGES, **options):
        fifo = queue.name.endswith(".fifo")
        came, asked = polls.count, server.count("ReceiveMessage", queue.full_name())
        for body in bodies:
            # Where receives count, a batch has one message of each group.
            receivers.send(queue.name, body=body, **({"group_id": body} if fifo else {}))
        consumer, thread = start(receivers, **options)
        eventually(lambda: polls.count >= came + len(MESSAGES))
        eventually(lambda: not consumer._live_connection.transport.has_waiting())
        eventually(lambda: consumer._channel.pollers[queue.full_name()].polls)
        assert server.count("ReceiveMessage", queue.full_name()) > asked
        return consumer, thread

    return gather


@pytest.fixture
def receive_count(sqs):
    """Receive what is in a queue, and return how often each message was received before."""

    def receive_count(queue):
        url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0
        )
        counts = [m["Attributes"]["ApproximateReceiveCount"] for m in answer["Messages"]]
        return [int(count) - 1 for count in counts]

    return receive_count


@BOTH
@pytest.mark.parametrize("threads", [1, 3])
def test_a_stop_receives_what_is_gathered(name, threads, register, gather, ran, counts):
    queue = register(name)
    consumer, thread = gather(queue, threads=threads)

    consumer.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert ran == [[(body, 1) for body in MESSAGES]]
    assert counts(queue.full_name()) == (0, 0, 0)


@BOTH
def test_what_does_not_fit_into_the_grace_period_is_received_once_for_each_stop(
    name, register, gather, ran, counts, receive_count
):
    queue = register(name)
    consumer, thread = gather(queue)

    consumer.grace_period = 0
    consumer.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert not ran
    assert counts(queue.full_name()) == (3, 0, 0)
    assert receive_count(queue) == [1, 1, 1]


def test_what_is_gathered_is_nobodys_once_the_channel_is_closed(register, gather, caplog, counts):
    """A stop's own thread may come too late to give it back: the close has done it."""
    queue = register("events")
    consumer, thread = gather(queue)
    consumer._finish_polling()
    consumer._channel.close()

    consumer.on_grace_expired()

    consumer.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert counts(queue.full_name()) == (3, 0, 0)


def test_what_waits_for_a_thread_at_a_stop_is_received_when_one_is_free(
    register, gather, receivers, ran, counts, eventually
):
    started, go_on = threading.Event(), threading.Event()

    def hold(message):
        started.set()
        go_on.wait(20)

    receivers.register("long", hold)
    queue = register("events")
    consumer, thread = gather(queue, threads=2)
    receivers.send("long", body="x")
    receivers.send("long", body="y")
    eventually(lambda: len(consumer.under_way()) == 2)

    consumer.stop()
    time.sleep(0.1)
    assert not ran
    go_on.set()
    thread.join(10)

    assert not thread.is_alive()
    assert ran == [[(body, 1) for body in MESSAGES]]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_what_waits_for_a_thread_for_too_long_is_given_back(
    register, gather, receivers, ran, counts, eventually, receive_count
):
    go_on = threading.Event()
    receivers.register("long", lambda message: go_on.wait(20))
    queue = register("events")
    consumer, thread = gather(queue)
    receivers.send("long", body="x")
    eventually(consumer.under_way)

    consumer.grace_period = 2.5
    consumer.stop()
    eventually(lambda: counts(queue.full_name()) == (3, 0, 0), timeout=10)

    assert receive_count(queue) == [1, 1, 1]
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not ran


def test_a_batch_ahead_waits_at_a_stop_for_the_one_that_runs(
    register, receivers, start, polls, ran, counts, eventually
):
    go_on, running, most = threading.Event(), [], []

    def receive(messages):
        running.append(messages)
        most.append(len(running))
        if len(ran) > 1:
            go_on.wait(20)
        running.remove(messages)

    queue = register("events", receive, batch=3, concurrency=1)
    receivers.send_many("events", ["1", "2", "3"])
    consumer, thread = start(receivers, threads=3)
    eventually(lambda: len(ran) == 1 and counts(queue.full_name()) == (0, 0, 0))
    receivers.send_many("events", ["4", "5", "6", "7", "8", "9"])
    eventually(lambda: polls.count == 9 and len(ran) == 2)

    consumer.stop()
    time.sleep(0.1)
    go_on.set()
    thread.join(10)

    assert not thread.is_alive()
    assert sorted(body for batch in ran for body, _ in batch) == list("123456789")
    # Where polls bring them piece by piece there may be a batch more.
    assert set(most) == {1}
    assert counts(queue.full_name()) == (0, 0, 0)


@BOTH
def test_a_pause_gives_back_what_is_gathered_when_no_poll_would_bring_it_again(
    name, register, gather, ran, counts, eventually, receive_count
):
    queue = register(name)
    consumer, thread = gather(queue)

    queue.pause()
    consumer.look_for_pauses(name)
    eventually(lambda: counts(queue.full_name()) == (3, 0, 0))

    assert receive_count(queue) == [1, 1, 1]
    consumer.stop()
    thread.join(10)
    assert not ran


def test_what_is_due_in_a_pause_is_not_started(
    register, gather, ran, counts, eventually, receive_count
):
    queue = register("events", wait=1.5)
    consumer, _ = gather(queue)

    queue.pause()
    consumer.look_for_pauses("events")
    eventually(lambda: counts(queue.full_name()) == (3, 0, 0))

    assert not ran
    assert receive_count(queue) == [1, 1, 1]


def test_a_stop_in_a_pause_starts_nothing(register, gather, ran, counts, eventually, receive_count):
    queue = register("events")
    consumer, thread = gather(queue)
    queue.pause()
    consumer.look_for_pauses("events")
    eventually(lambda: consumer._batches._gatherings[queue.full_name()]._paused)

    consumer.stop()
    thread.join(10)

    assert not ran
    assert counts(queue.full_name()) == (3, 0, 0)
    assert receive_count(queue) == [1, 1, 1]
