"""What is given back at the end of a consumer, which polls still, comes to no poll of its own."""

import asyncio
import signal
import threading

import pytest

from django_sqs_kombu import ReceiverConsumer


@pytest.fixture
def by_default():
    """Ctrl-C as in a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def until_polled(eventually):
    """Wait until a consumer's own poll of a queue is at the server, beside what it runs."""

    def until_polled(consumer, queue):
        poller = consumer._channel.pollers[queue.full_name()]
        eventually(
            lambda: any(poll.alone and poll.wait and poll.begun for poll in list(poller._polls))
        )

    return until_polled


@pytest.fixture
def receives(sqs):
    """How often each message of a queue was received, once more by now."""

    def receives(queue):
        url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
        name = "ApproximateReceiveCount"
        answer = sqs.receive_message(
            QueueUrl=url, AttributeNames=[name], MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        return [int(message["Attributes"][name]) for message in answer.get("Messages", [])]

    return receives


@pytest.mark.usefixtures("by_default")
@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("dead", [{}, {"dead_letter_queue": "dead", "max_receives": 3}])
def test_what_ctrl_c_interrupts_is_not_received_again(
    receivers, receives, until_polled, batch, dead
):
    seen = []

    def receive(messages):
        seen.extend(messages if batch else [messages])
        if len(seen) == 40:
            # When its pace is known, it polls beside what it runs.
            until_polled(consumer, queue)
            signal.raise_signal(signal.SIGINT)

    if dead:
        receivers.register("dead", None).get_queue()
    queue = receivers.register("orders", receive, batch=batch, **dead)
    receivers.send_many("orders", ["x"] * 40)
    consumer = ReceiverConsumer(receivers)

    consumer.run()

    assert receives(queue) == [2] * (batch or 1)


@pytest.fixture
def running(receivers, eventually, start, until_polled):
    """Start a consumer, one of whose messages still runs while it polls."""
    over = threading.Event()
    consumers = []

    def running(receive, **options):
        queue = receivers.register("orders", receive(over))
        receivers.send("orders", body="x")
        consumer, _ = start(receivers, **options)
        consumers.append(consumer)
        eventually(consumer.under_way)
        until_polled(consumer, queue)
        return consumer, queue

    yield running
    over.set()
    for consumer in consumers:
        consumer.stop()


def test_what_runs_when_the_process_exits_is_not_received_again(running, receives):
    consumer, queue = running(lambda over: lambda message: over.wait(20), threads=2)

    # As after a second signal, or one that asks for an end at once.
    consumer.release_running()

    assert receives(queue) == [2]


def test_what_is_cut_off_is_not_received_again(running, receives):
    def receive(over):
        async def wait(message):
            await asyncio.sleep(20)

        return wait

    consumer, queue = running(receive, coroutines=2)

    consumer.on_grace_expired()
    consumer.release_running()

    assert receives(queue) == [2]
