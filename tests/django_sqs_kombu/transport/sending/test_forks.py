"""A process that is forked while another thread sends can send, and ends at once."""

import json
import subprocess
import sys

import pytest

#: Forks again and again beside a thread that sends; each child sends, and ends by sys.exit.
SCRIPT = """
import atexit, json, os, signal, sys, threading, time
import kombu

read, write = os.pipe()
begun = []

# Registered before the library's own, it is called after them; what the interpreter tears
# down later is not measured.
@atexit.register
def ended():
    if begun:
        os.write(write, f"{time.monotonic() - begun[0]:020.6f}".encode())

from django_sqs_kombu import Receivers

url, prefix, way = sys.argv[1:]
options = {"endpoint_url": url, "region": "us-east-1"}
receivers = Receivers("sqs-batch://a:b@", prefix=prefix, transport_options=options)
queue = receivers.register("orders").get_queue()
if way == "receivers":
    send = lambda body: receivers.send("orders", body=body)
else:
    channel = receivers.new_connection().default_channel
    producer = kombu.Producer(channel)
    send = lambda body: producer.publish(body, routing_key=queue.name)
send("first")
stopping = threading.Event()

def keep_sending():
    while not stopping.is_set():
        send("parent's")

thread = threading.Thread(target=keep_sending)
thread.start()
statuses, endings = [], []
for number in range(4):
    time.sleep(0.013)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        send(f"child {number}")
        begun.append(time.monotonic())
        sys.exit(0)
    statuses.append(os.waitpid(child, 0)[1])
    if statuses[-1] == 0:
        endings.append(float(os.read(read, 20)))
stopping.set()
thread.join()
print(json.dumps({"statuses": statuses, "shortest": min(endings, default=None)}))
"""


@pytest.mark.parametrize("way", ["receivers", "kombu"])
def test_a_forked_child_sends_and_ends(server, prefix, way, counts):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server.url, prefix, way],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout)
    assert facts["statuses"] == [0] * 4
    assert facts["shortest"] < 1.5
    assert counts(f"{prefix}__orders")[0] > 5
