"""Real Celery workers: each behaviour on kombu's transport and on ours, and what is better."""

import signal
import socket
import time

import pytest

from ...processes import Process
from ...server import Server

# What hardly depends on versions is left out of the corners of the matrix.
POOLS = ["prefork", *(pytest.param(pool, marks=pytest.mark.slow) for pool in ("threads", "solo"))]
TRANSPORTS = [pytest.param("kombu's", marks=pytest.mark.slow), "ours"]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_celery_behaves_alike(transport, pool, new_worker, eventually, counts, prefix):
    expected = [
        *(f"add {n}" for n in range(10)),
        *("flaky 0", "flaky 1"),
        "later",
        *("rejected first", "rejected again"),
        *("failing", "failing_late"),
        *["limited"] * 4,
        # A chain: the second gets the result of the first.
        *("add 101", "add 1101"),
    ]
    code = (
        "[add.delay(n, 0) for n in range(10)]; flaky.delay(); rejected.delay();"
        "failing.delay(); failing_late.delay(); [limited.delay() for _ in range(4)];"
        "(add.s(100, 1) | add.s(1000)).delay(); app.send_task('no.such.task');"
        "expired.apply_async(expires=-5); note('sent'); later.apply_async(countdown=3)"
    )
    if pool == "prefork":
        # Only processes can die, and be interrupted.
        code += "; dying.delay(); long.delay()"
        expected += ["dying first", "dying again", "long SoftTimeLimitExceeded"]
    options = {"backoff_base": 1} if transport == "ours" else {}
    worker = new_worker(transport, pool, **options)
    worker.start(eventually)

    worker.send(code)
    eventually(lambda: sorted(worker.lines()) == sorted([*expected, "sent"]), timeout=60)
    if transport == "ours":
        # Kombu's transport leaves what it requeued to a second delivery, or to SQS.
        eventually(lambda: counts(prefix) == (0, 0, 0))

    assert worker.times("later")[0] - worker.times("sent")[0] >= 2.9
    limited = worker.times("limited")
    assert limited[-1] - limited[0] >= 0.9
    assert "no.such.task" in worker.process.output
    assert "a task's own fault" in worker.process.output


@pytest.mark.parametrize("pool", POOLS)
def test_our_deletes_and_receives_go_in_batches(
    pool, new_worker, server, eventually, counts, prefix
):
    worker = new_worker("ours", pool)
    worker.send("[add.delay(n, 0) for n in range(100)]")
    before = server.count("ReceiveMessage", prefix)
    worker.start(eventually)

    eventually(lambda: counts(prefix) == (0, 0, 0), timeout=40)

    assert sorted(worker.lines()) == sorted(f"add {n}" for n in range(100))
    assert server.count("DeleteMessage", prefix) == 0
    assert server.count("DeleteMessageBatch", prefix) <= 40
    assert server.count("ReceiveMessage", prefix) - before <= 60


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_warm_shutdown_finishes_what_runs_and_loses_nothing(
    transport, new_worker, eventually, counts, prefix
):
    worker = new_worker(transport, "prefork", concurrency=1)
    worker.start(eventually)
    worker.send("[slow.delay(n, 2) for n in range(4)]")
    eventually(lambda: "slow 0 starts" in worker.lines() or len(worker.lines()) > 0)

    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    done = [line for line in worker.lines() if line.endswith("ends")]

    assert len(done) >= 1
    assert len(done) * 2 == len(worker.lines())
    if transport == "ours":
        # The others can be had at once, without waiting for their visibility timeout.
        assert counts(prefix) == (4 - len(done), 0, 0)
        worker.start(eventually)
        eventually(lambda: len(worker.lines()) == 8)


@pytest.mark.slow
def test_a_task_that_takes_many_visibility_timeouts_runs_once(
    new_worker, eventually, counts, prefix
):
    worker = new_worker("ours", "threads", visibility_timeout=2)
    worker.start(eventually)

    worker.send("[slow.delay(n, 7) for n in range(2)]")
    eventually(lambda: len(worker.lines()) == 4, timeout=30)
    eventually(lambda: counts(prefix) == (0, 0, 0))

    assert len(worker.lines()) == 4


@pytest.mark.slow
def test_eta_as_delay_keeps_the_task_in_the_queue(new_worker, eventually, counts, prefix):
    worker = new_worker("ours", "threads", eta_as_delay=True)
    worker.start(eventually)

    worker.send("note('sent'); later.apply_async(countdown=4)")

    assert counts(prefix) == (0, 0, 1)
    eventually(lambda: "later" in worker.lines())
    assert 3.9 <= worker.times("later")[0] - worker.times("sent")[0] < 20


@pytest.mark.slow
def test_a_server_that_is_down_does_not_make_the_worker_busy(new_worker, eventually):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    worker = new_worker("ours", "threads")
    worker.env["TEST_BROKER_URL"] = f"sqs://testing:testing-secret@127.0.0.1:{port}"
    worker.process = Process(worker.command, worker.env)
    eventually(lambda: "Cannot reach SQS" in worker.process.output, timeout=40)
    time.sleep(4)
    assert 1 <= worker.process.output.count("Trying again") <= 8

    late = Server(port)
    late.start()
    try:
        worker.send("add.delay(1, 1)")
        eventually(lambda: worker.lines() == ["add 2"], timeout=40)
    finally:
        late.stop()
        worker.process.end()
