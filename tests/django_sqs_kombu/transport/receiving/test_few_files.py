"""A process that polls more queues than it may have files open, as by ``ulimit -n``."""

import json
import subprocess
import sys

import pytest

from benchmarks.servers import stub as run_stub

pytest.importorskip("resource", reason="needs a POSIX system")

#: Consumes from many queues until each has been polled, or has brought its message.
CONSUMES = """
import json, logging, os, resource, sys, threading, time
from django_sqs_kombu import ReceiverConsumer, Receivers

host, prefix, count, soft, hard, seconds = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard)))

class Kept(logging.Handler):
    records = []
    def emit(self, record):
        # The stub's bodies and timeouts are not what is declared.
        if "ulimit" in record.getMessage() or "reach" in record.getMessage():
            self.records.append(record.getMessage())

logging.getLogger("django_sqs_kombu").addHandler(Kept(logging.WARNING))
came, failed = set(), []

def receive(message):
    try:
        open(os.devnull).close()
    except OSError as exc:
        failed.append(repr(exc))
    came.add(message.queue)

receivers = Receivers(
    f"sqs-batch://k:s@{host}",
    transport_options={"region": "us-east-1", "is_secure": False, "wait_time_seconds": 1},
)
for number in range(int(count)):
    receivers.register(f"{prefix}{number}", receive)
consumer = ReceiverConsumer(receivers, grace_period=5)

def stop():
    deadline = time.monotonic() + float(seconds)
    while time.monotonic() < deadline and len(came) < int(count):
        time.sleep(0.1)
    consumer.stop(break_off=True)

threading.Thread(target=stop).start()
consumer.run()
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
print(json.dumps({"came": len(came), "failed": failed, "said": Kept.records, "limit": limit}))
"""


@pytest.fixture(scope="module")
def stub():
    with run_stub() as server:
        yield server


def consume(stub, prefix, count, *limits, seconds):
    stub.reset()
    stub.create(prefix, count)
    host = stub.url.removeprefix("http://")
    arguments = [host, prefix, count, *limits, seconds]
    done = subprocess.run(
        [sys.executable, "-c", CONSUMES, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_each_queue_has_its_turn_where_the_limit_is_low_and_files_are_left_for_the_project(stub):
    found = consume(stub, "few-", 200, 256, 256, seconds=60)

    assert found["came"] == 200
    assert found["failed"] == []
    assert found["limit"] == 256
    [said] = found["said"]
    assert "they take turns, 128 at a time" in said


@pytest.mark.slow
def test_the_limit_is_raised_where_it_may_be(stub):
    found = consume(stub, "idle-more-", 200, 256, 4096, seconds=8)

    assert stub.stats()["queues_polled"] == 200
    assert found["limit"] > 256
    assert found["said"] == []


def test_few_queues_leave_the_limit_as_it_is(stub):
    found = consume(stub, "one-", 3, 256, 4096, seconds=20)

    assert found == {"came": 3, "failed": [], "said": [], "limit": 256}


#: Opens files until none is left, then asks for a queue's size.
EXHAUSTED = """
import os, resource, sys
from django_sqs_kombu import Receivers

receivers = Receivers(
    f"sqs-batch://k:s@{sys.argv[1]}", transport_options={"region": "us-east-1", "is_secure": False}
)
receivers.register("exhausted0")
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
with receivers.new_connection() as connection:
    channel = connection.default_channel
    # What is read from files before the first request.
    channel.account.client("exhausted0")
    kept = []
    try:
        while True:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        channel.queue_declare("exhausted0", passive=True)
    except Exception as exc:
        print(exc)
"""


def test_where_no_file_is_left_the_error_says_so(stub):
    stub.create("exhausted", 1)
    host = stub.url.removeprefix("http://")
    done = subprocess.run(
        [sys.executable, "-c", EXHAUSTED, host], capture_output=True, text=True, timeout=60
    )

    assert "This process has as many files open as it may" in done.stdout, done.stderr
    assert "ulimit -n" in done.stdout
    assert "credentials" not in done.stdout
