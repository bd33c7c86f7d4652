"""A real Celery worker on the transport: its event loop receives, our batches settle."""

import os
import subprocess
import sys

import pytest

from ..processes import ROOT, Process


@pytest.fixture(params=["threads", "solo", "prefork"])
def worker(request, server, prefix, tmp_path, sqs):
    address = server.url.removeprefix("http://")
    sqs.create_queue(QueueName=prefix)
    env = {
        **os.environ,
        "TEST_BROKER_URL": f"sqs://testing:testing-secret@{address}",
        "TEST_CELERY_QUEUE": prefix,
        "TEST_CELERY_LOG": str(tmp_path / "log"),
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.celery_app.app", "worker"]
    worker = Process([*command, "-P", request.param, "-c", "2", "-l", "INFO"], env)
    worker.env, worker.log = env, tmp_path / "log"
    yield worker
    worker.end()


def send(worker, code):
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.celery_app.app import *; {code}"],
        cwd=ROOT,
        env=worker.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_tasks_run_retry_and_are_deleted_in_batches(worker, server, prefix, eventually, counts):
    eventually(lambda: " ready." in worker.output, timeout=30)

    send(worker, "[add.delay(n, 1) for n in range(20)]; flaky.delay()")
    eventually(
        lambda: worker.log.exists() and len(worker.log.read_text().splitlines()) == 22, timeout=30
    )
    eventually(lambda: counts(prefix) == (0, 0, 0))
    worker.end()

    lines = worker.log.read_text().splitlines()
    assert sorted(lines) == sorted([*(f"add {n + 1}" for n in range(20)), "flaky 0", "flaky 1"])
    assert server.count("DeleteMessage", prefix) == 0
    assert server.count("DeleteMessageBatch", prefix) < 22
