"""A process that was stopped for a while knows that its leases went on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ....processes import ROOT

#: Waits for leases to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow

WORKER = """
import json, sys, time
from django_sqs_kombu import ReceiverConsumer, Receivers

prefix, options = json.loads(sys.argv[1])
receivers = Receivers(
    "sqs-batch://testing:testing-secret@", prefix=prefix, poll_period=20, transport_options=options
)

def receive(message):
    print("started", flush=True)
    time.sleep(12)

receivers.register("orders", receive, visibility_timeout=14)
ReceiverConsumer(receivers, threads=1).run()
"""


def test_what_came_while_it_was_stopped_is_renewed_before_another_gets_it(
    receivers, prefix, transport_options, server, start, eventually, counts
):
    """Its lease was counted from when the process went on."""
    got = []
    queue = receivers.register("orders", got.append, visibility_timeout=14)
    receivers.get("orders").send(body="made")
    name = queue.full_name()
    command = [sys.executable, "-c", WORKER, json.dumps([prefix, transport_options])]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout.readline() == "started\n"
        eventually(lambda: counts(name) == (0, 0, 0), timeout=30)
        polls = server.count("ReceiveMessage", name)
        eventually(lambda: server.count("ReceiveMessage", name) > polls, timeout=30)
        os.kill(worker.pid, signal.SIGSTOP)
        queue.send(body="x")
        eventually(lambda: counts(name) == (0, 1, 0))
        time.sleep(9)
        os.kill(worker.pid, signal.SIGCONT)
        assert worker.stdout.readline() == "started\n"

        start(receivers)
        eventually(lambda: counts(name) == (0, 0, 0), timeout=40)
        assert not got
    finally:
        worker.kill()
        worker.wait()
