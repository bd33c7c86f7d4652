"""A forked child holds nothing of its parent's, and waits for none of its locks."""

import json
import subprocess
import sys

SCRIPT = """
import json, os, signal, sys, threading, time
import kombu
import django_sqs_kombu
from django_sqs_kombu.transport.receiving.consumption import Consumption

url, name = sys.argv[1:]
connection = kombu.Connection(
    "sqs-batch://testing:testing-secret@",
    transport_options={"endpoint_url": url, "region": "us-east-1", "wait_time_seconds": 1},
)
held = []
channel = connection.channel()
consumer = kombu.Consumer(channel, [kombu.Queue(name)], on_message=held.append, auto_declare=False)
consumer.consume()
connection.drain_events(timeout=10)
# Its poll is under way in the parent alone.
channel.consume(Consumption(name + "-cancelled", lasting=True, wait=20))
with kombu.Consumer(channel, [kombu.Queue(name + "-cancelled")], on_message=held.append):
    try:
        connection.drain_events(timeout=0.5)
    except TimeoutError:
        pass
objects = channel.keeper._objects
objects._started = 2

def in_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            work()
        except BaseException:
            os._exit(5)
        os._exit(0)
    return os.waitpid(child, 0)[1]

locked, done = threading.Event(), threading.Event()
def lock():
    with channel.held.lock:
        locked.set()
        done.wait()
threading.Thread(target=lock, daemon=True).start()
locked.wait()

def drain():
    try:
        connection.drain_events(timeout=0.2)
    except TimeoutError:
        os._exit(0 if objects._started == 0 else 3)
    os._exit(4)

statuses = [in_child(drain)]
done.set()
statuses.append(in_child(held[0].requeue))
statuses.append(in_child(connection.close))
time.sleep(0.5)
print(json.dumps(statuses), flush=True)
# No close, so that what the parent holds stays as it is.
os._exit(0)
"""


def test_what_a_child_does_with_an_inherited_connection_is_not_its_parents(
    receivers, sqs, server, counts
):
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    sqs.create_queue(QueueName=f"{name}-cancelled")
    sqs.send_message(QueueUrl=url, MessageBody="x")

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server.url, name],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, 0, 0]
    assert counts(name) == (0, 1, 0)
