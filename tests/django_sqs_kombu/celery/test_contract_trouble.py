"""What made Celery workers on SQS stop, spin or double tasks, as their users reported it."""

import signal
import socket
import time

import pytest

ADDED = ["add 2"]


def settled(counts, prefix):
    return lambda: counts(prefix) == (0, 0, 0)


def test_tasks_that_fail_unacknowledged_do_not_use_up_the_prefetch(
    new_worker, eventually, counts, prefix
):
    # celery/kombu issue 1127
    worker = new_worker("ours", "threads", concurrency=1)
    worker.start(eventually, TEST_REJECT_FAILED="1")

    worker.send("[failing_late.delay() for _ in range(8)]; add.delay(1, 1)")

    expected = sorted([*["failing_late"] * 8, *ADDED])
    eventually(lambda: sorted(worker.lines()) == expected, timeout=40)
    eventually(settled(counts, prefix))


@pytest.mark.slow
def test_a_message_that_is_gone_when_its_task_ends_stops_no_worker(
    new_worker, eventually, sqs, prefix, counts
):
    # celery/kombu issue 1198
    worker = new_worker("ours", "threads")
    worker.start(eventually)
    worker.send("slow.delay(1, 3)")
    eventually(lambda: worker.lines() == ["slow 1 starts"], timeout=30)

    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=prefix)["QueueUrl"])
    eventually(lambda: worker.lines()[-1] == "slow 1 ends", timeout=30)
    worker.send("add.delay(1, 1)")

    eventually(lambda: worker.lines()[-1:] == ADDED, timeout=30)
    assert worker.process.popen.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["ReceiveMessage", "DeleteMessageBatch"])
def test_answers_of_a_gateway_stop_no_worker(
    operation, new_worker, eventually, server, prefix, counts
):
    # celery/kombu issue 1172, celery/celery issue 8243
    worker = new_worker("ours", "threads")
    worker.start(eventually)
    server.faults[operation, prefix] = (502, "BadGateway")
    try:
        worker.send("[add.delay(n, 0) for n in range(4)]")
        time.sleep(3)
    finally:
        del server.faults[operation, prefix]

    eventually(settled(counts, prefix), timeout=40)
    assert sorted(worker.lines()) == [f"add {n}" for n in range(4)]


@pytest.mark.slow
def test_a_worker_that_is_told_to_quit_doubles_no_message(new_worker, eventually, counts, prefix):
    # celery/celery issue 4002
    worker = new_worker("ours", "prefork", concurrency=1)
    worker.start(eventually)
    worker.send("[slow.delay(n, 60) for n in range(3)]")
    eventually(lambda: worker.lines(), timeout=30)

    worker.process.signal(signal.SIGQUIT)
    worker.process.wait(30)

    visible, in_flight, delayed = counts(prefix)
    assert visible + in_flight + delayed <= 3
    assert visible >= 2


def test_a_removed_task_is_discarded_and_the_worker_goes_on(new_worker, eventually, counts, prefix):
    # celery/kombu pull request 1372
    worker = new_worker("ours", "threads")
    worker.send("[app.send_task('shop.removed') for _ in range(5)]; add.delay(1, 1)")
    worker.start(eventually)

    eventually(lambda: worker.lines() == ADDED, timeout=30)
    eventually(settled(counts, prefix))
    assert worker.process.output.count("shop.removed") >= 5


@pytest.mark.slow
def test_a_worker_takes_the_next_of_its_brokers_when_the_first_does_not_answer(
    new_worker, eventually
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"sqs://testing:testing-secret@127.0.0.1:{free.getsockname()[1]}"
    worker = new_worker("ours", "threads")
    live = worker.env["TEST_BROKER_URL"]
    worker.start(eventually, TEST_BROKER_URL=f"{dead};{live}")

    worker.send("add.delay(1, 1)")

    eventually(lambda: worker.lines() == ADDED, timeout=40)
