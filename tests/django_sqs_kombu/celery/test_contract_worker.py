"""What Celery does with a transport of Kombu's contract, on kombu's and on ours."""

import json
import subprocess
import sys

import pytest
from kombu.transport import SQS

from ...processes import ROOT

# What hardly depends on versions is left out of the corners of the matrix.
TRANSPORTS = [pytest.param("kombu's", marks=pytest.mark.slow), "ours"]
TASK = "tests.celery_app.app.add"
ARGUMENTS = json.dumps([[1, 2], {}, {"callbacks": None, "errbacks": None, "chain": None}])


@pytest.fixture
def put(sqs, prefix):
    """Send a body as it is."""

    def put(body):
        text = body if isinstance(body, str) else json.dumps(body)
        url = sqs.get_queue_url(QueueName=prefix)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=text)

    return put


@pytest.mark.skipif(not hasattr(SQS.Channel, "fanout"), reason="this kombu has no fan-out by SNS")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_broadcast_reaches_every_worker(transport, new_worker, eventually, prefix):
    workers = []
    for _ in range(2):
        worker = new_worker(transport, "threads", supports_fanout=True, polling_interval=0.1)
        worker.start(eventually, TEST_BROADCAST=f"{prefix}-all")
        workers.append(worker)
    for worker in workers:
        eventually(lambda w=worker: "Create subscription" in w.process.output, timeout=30)

    # Celery itself does not declare a broadcast's exchange where it only sends.
    workers[0].send(
        f"exchange = app.amqp.queues['{prefix}-all'].exchange;"
        "everywhere.apply_async(['x'], declare=[exchange]); add.delay(1, 1)"
    )

    eventually(lambda: sorted(workers[0].lines()) == ["add 2", *["everywhere x"] * 2], timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_commands_find_no_worker_and_leave_no_queue(transport, new_worker, eventually, sqs):
    worker = new_worker(transport, "threads", supports_fanout=True)
    worker.start(eventually)
    queues = sqs.list_queues()["QueueUrls"]

    for command in (["status"], ["inspect", "ping"]):
        done = subprocess.run(
            [*(sys.executable, "-m", "celery", "-A", "tests.celery_app.app"), *command, "-t1"],
            cwd=ROOT,
            env=worker.env,
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert "No nodes replied within time constraint" in done.stdout + done.stderr
        assert sqs.list_queues()["QueueUrls"] == queues
    worker.send("add.delay(1, 1)")
    eventually(lambda: worker.lines() == ["add 2"], timeout=30)


def test_a_worker_with_a_backoff_policy_outlives_messages_without_a_task(
    new_worker, eventually, prefix, put, sqs
):
    url = sqs.create_queue(QueueName=prefix, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    queue = {"url": url, "backoff_tasks": [TASK], "backoff_policy": {1: 1}}
    worker = new_worker("ours", "threads", predefined_queues={prefix: queue})
    put("no envelope")
    put({"body": "x", "properties": {"delivery_tag": "t"}, "headers": {"task": ["a", "list"]}})
    worker.start(eventually)

    worker.send("add.delay(1, 1)")

    eventually(lambda: worker.lines() == ["add 2"], timeout=30)
    assert worker.process.popen.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("name_prefix", ["", "stage-"])
def test_a_failed_task_comes_back_after_the_delay_of_its_policy(
    name_prefix, new_worker, eventually, prefix, sqs
):
    url = sqs.create_queue(QueueName=prefix)["QueueUrl"]
    queue = {
        "url": url,
        "backoff_tasks": ["tests.celery_app.app.failing_late"],
        "backoff_policy": {1: 1, 2: 900},
    }
    worker = new_worker(
        "ours",
        "threads",
        predefined_queues={f"{name_prefix}{prefix}": queue},
        queue_name_prefix=name_prefix,
    )
    worker.start(eventually, TEST_REJECT_FAILED="1")

    worker.send("failing_late.delay()")

    eventually(lambda: worker.lines() == ["failing_late"] * 2, timeout=30)


LEFT_OUT = ("content-encoding", "headers", "properties", "headers and properties")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_envelope_with_a_part_left_out_is_the_task_that_kombus_transport_reads(
    transport, new_worker, eventually, put
):
    worker = new_worker(transport, "threads")
    worker.start(eventually)
    for number, left_out in enumerate(LEFT_OUT, start=1):
        put(without(left_out))

        eventually(lambda number=number: worker.lines() == ["add 3"] * number, timeout=30)


def without(left_out):
    """The envelope of a task, without a part of it."""
    envelope = {
        "body": ARGUMENTS,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": TASK, "id": "an-id", "argsrepr": "", "kwargsrepr": ""},
        "properties": {
            "correlation_id": "an-id",
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "delivery_tag": "a-tag",
        },
    }
    if "properties" in left_out:
        envelope["properties"] = {}
    if "headers" in left_out:
        # Protocol 1 has everything in the body.
        del envelope["headers"]
        envelope["body"] = json.dumps({"task": TASK, "id": "an-id", "args": [1, 2], "kwargs": {}})
    if left_out == "content-encoding":
        del envelope["content-encoding"]
    return envelope


def of_protocol_1(**body):
    return {**without("headers"), "body": json.dumps(body)}


#: Each of them ends a worker on any of Kombu's transports, and then the next one that gets it.
UNREADABLE = {
    "no id": {"headers": {"task": TASK}},
    "an id that is no text": {"headers": {"task": TASK, "id": ["an id"]}},
    "an unknown task without an id": {"headers": {"task": "no.such.task"}},
    "no arguments": {"body": "null"},
    "a text for arguments": {"body": '"a text"'},
    "a list in place of a task": of_protocol_1(task=[TASK], id="an-id", args=[], kwargs={}),
    "an unknown task of protocol 1": of_protocol_1(task="no.such.task", args=[], kwargs={}),
}


@pytest.mark.parametrize(
    ("pool", "env"),
    [
        ("threads", {}),
        ("threads", {"TEST_NO_EVENT_LOOP": "1"}),
        pytest.param("prefork", {}, marks=pytest.mark.slow),
        pytest.param("solo", {}, marks=pytest.mark.slow),
    ],
)
def test_a_worker_outlives_messages_that_celery_does_not_expect(
    new_worker, eventually, put, pool, env
):
    worker = new_worker("ours", pool)
    worker.start(eventually, **env)
    for changes in UNREADABLE.values():
        put({**without("nothing"), **changes})
    eventually(
        lambda: worker.process.output.count("is tried again later") >= len(UNREADABLE), timeout=40
    )

    worker.send("add.delay(1, 1)")

    eventually(lambda: worker.lines() == ["add 2"], timeout=30)
    assert worker.process.popen.poll() is None


def test_a_worker_that_ends_by_a_message_in_its_pool_leaves_it_for_later(
    new_worker, eventually, put, counts, prefix
):
    worker = new_worker("ours", "prefork")
    worker.start(eventually)
    headers = {"task": TASK, "id": "an-id", "stamped_headers": 5}
    put({**without("nothing"), "headers": headers})
    eventually(lambda: worker.process.popen.poll() is not None)
    # Not at once: it would end each worker as soon as it has started.
    assert counts(prefix) == (0, 1, 0)


def test_without_an_event_loop_no_message_ends_a_worker_in_its_pool(new_worker, eventually, put):
    worker = new_worker("ours", "threads")
    worker.start(eventually, TEST_NO_EVENT_LOOP="1")
    headers = {"task": TASK, "id": "an-id", "stamped_headers": 5}
    put({**without("nothing"), "headers": headers})
    eventually(lambda: "is tried again later" in worker.process.output)

    worker.send("[add.delay(n, 0) for n in range(5)]")

    eventually(lambda: sorted(worker.lines()) == [f"add {n}" for n in range(5)], timeout=30)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_task_knows_of_its_delivery_is_json(transport, new_worker, eventually):
    worker = new_worker(transport, "threads")
    worker.start(eventually)

    worker.send("properties.delay()")

    eventually(lambda: worker.lines() == ["properties True"], timeout=30)
