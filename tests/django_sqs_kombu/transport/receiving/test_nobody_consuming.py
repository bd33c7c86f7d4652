"""Where nobody takes messages nobody receives them: they stay in SQS, uncounted."""

import contextlib
import gc
import json
import subprocess
import sys
import threading
import time

import kombu
import pytest

#: Waits for leases and polls to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow

VISIBILITY, MAX_RECEIVES = 1, 2


@pytest.fixture
def mortal(receivers, sqs, counts):
    """A queue whose messages are dead after 2 receives: its name, its URL and its dead letters."""
    name = f"{receivers.prefix}__mortal"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": MAX_RECEIVES}
    url = sqs.create_queue(
        QueueName=name,
        Attributes={"VisibilityTimeout": str(VISIBILITY), "RedrivePolicy": json.dumps(policy)},
    )["QueueUrl"]
    return name, url, lambda: counts(f"{name}-dead")


def drain_once(connection, name):
    consumer = kombu.Consumer(connection, [kombu.Queue(name)], on_message=lambda message: None)
    consumer.consume()
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.5)
    return consumer


def look_once(connection, name):
    queue = connection.SimpleQueue(name)
    with pytest.raises(queue.Empty):
        queue.get(timeout=0.5)
    return queue


def send(sqs, url, count):
    for number in range(count):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))


def receive(connection, name, count):
    received = []

    def take(message):
        received.append(message.text)
        message.ack()

    deadline = time.monotonic() + 15
    with kombu.Consumer(connection, [kombu.Queue(name)], on_message=take):
        while len(received) < count and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue
    return sorted(received, key=int)


@pytest.mark.parametrize("ask", [drain_once, look_once], ids=["drain_events", "SimpleQueue"])
def test_who_has_stopped_asking_for_messages_buries_none(ask, receivers, mortal, sqs):
    name, url, dead = mortal
    forgotten = receivers.new_connection()
    # Still referenced, as a global or an attribute that nobody uses any more.
    kept = ask(forgotten, name)
    time.sleep(2)

    send(sqs, url, 5)
    time.sleep(VISIBILITY * (MAX_RECEIVES + 2))

    assert dead() == (0, 0, 0)
    with receivers.new_connection() as connection:
        assert receive(connection, name, 5) == ["0", "1", "2", "3", "4"]
    assert dead() == (0, 0, 0)
    assert kept is not None
    forgotten.close()


def test_one_message_that_was_taken_and_not_acked_buries_only_itself(receivers, mortal, sqs):
    """A consumer that is busy elsewhere, or gone mad, with the first of five messages."""
    name, url, dead = mortal
    send(sqs, url, 5)
    connection = receivers.new_connection()
    held = []
    consumer = kombu.Consumer(connection, [kombu.Queue(name)], on_message=held.append)
    consumer.consume()
    connection.drain_events(timeout=5)

    time.sleep(VISIBILITY * (MAX_RECEIVES + 2))

    held.pop().ack()
    deadline = time.monotonic() + 15
    rest = []
    while len(rest) < 4 and time.monotonic() < deadline:
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            continue
        while held:
            rest.append(held[-1].text)
            held.pop().ack()
    connection.close()
    assert len(rest) == 4
    assert dead() == (0, 0, 0)


def test_a_connection_that_was_dropped_leaves_no_thread(receivers, mortal, eventually):
    name, _, _ = mortal
    before = set(threading.enumerate())
    connection = receivers.new_connection()
    consumer = drain_once(connection, name)

    del connection, consumer

    def none_left():
        gc.collect()
        return not [
            thread
            for thread in set(threading.enumerate()) - before
            if thread.name.startswith("sqs")
        ]

    eventually(none_left, timeout=15)


SCRIPT = """
import sys
import kombu
import django_sqs_kombu

url, name = sys.argv[1:]
connection = kombu.Connection(
    "sqs-batch://testing:testing-secret@",
    transport_options={"endpoint_url": url, "region": "us-east-1", "wait_time_seconds": 1},
)
def receive(message):
    message.ack()
    print("received", message.text)
kombu.Consumer(connection, [kombu.Queue(name)], on_message=receive).consume()
connection.drain_events(timeout=10)
# No close: this is where it ends.
"""


def test_a_script_that_exits_without_close_strands_nothing(receivers, sqs, server, counts):
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    send(sqs, url, 30)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server.url, name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("received") == 1
    assert counts(name) == (29, 0, 0)


def test_what_comes_to_a_connection_that_was_dropped_meanwhile_is_given_back(
    transport_options, prefix, sqs, counts, eventually
):
    """One connection has taken nothing before, the other some messages."""
    names = {taken: f"{prefix}__dropped-after-{taken}" for taken in (0, 3)}
    urls, consumers = [], []
    for taken, name in names.items():
        url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
        send(sqs, url, taken)
        connection = kombu.Connection(
            "sqs-batch://testing:testing-secret@",
            transport_options={**transport_options, "wait_time_seconds": 10},
        )
        consumers.append(
            kombu.Consumer(
                connection, [kombu.Queue(name)], on_message=lambda message: message.ack()
            )
        )
        consumers[-1].consume()
        urls.append(url)
    # Until polls of 8 seconds are under way.
    deadline = time.monotonic() + 9
    while time.monotonic() < deadline:
        for consumer in consumers:
            with contextlib.suppress(TimeoutError):
                consumer.connection.drain_events(timeout=0.3)

    del connection, consumer
    consumers.clear()
    gc.collect()
    # By then the threads that settle have ended, if there were any.
    time.sleep(5.5)
    for url in urls:
        send(sqs, url, 1)

    def all_are_back():
        return [counts(name) for name in names.values()] == [(1, 0, 0)] * 2

    eventually(all_are_back, timeout=10)
    # Not only before the polls have brought them.
    time.sleep(2)
    assert all_are_back()
    eventually(lambda: not [t for t in threading.enumerate() if prefix in t.name], timeout=15)
