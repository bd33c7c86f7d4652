"""Celery and receivers in one Django project: side by side, in one worker, and bridged."""

import json
import signal
import sys

import pytest

from ..processes import Process

CELERY = (sys.executable, "-m", "celery", "-A", "tests.site.celery_project", "worker", "-l", "INFO")


@pytest.fixture
def celery_project(project, server):
    address = server.url.removeprefix("http://")
    project.env["TEST_SITE_BROKER_URL"] = f"sqs://testing:testing-secret@{address}"
    return project


@pytest.fixture
def start_celery(celery_project, eventually):
    def start(pool="prefork", concurrency=2, **env):
        command = [*CELERY, "-P", pool, "-c", str(concurrency)]
        worker = Process(command, {**celery_project.env, **env})
        celery_project.add(worker)
        eventually(lambda: " ready." in worker.output, timeout=40)
        return worker

    return start


def call(project, code):
    done = project.run("shell", "-c", f"import django_sqs, tests.site.shop.tasks as c; {code}")
    assert done.popen.returncode == 0, done.output


def test_tasks_and_messages_reach_only_their_own_side(
    celery_project, start_celery, eventually, prefix, counts
):
    start_celery("threads")
    celery_project.start("runreceiver", "plain", "second", "--processes=1")

    call(
        celery_project,
        "[c.record.delay(n) for n in range(5)];"
        "[django_sqs.send(q, body=str(n)) for n in range(5) for q in ('plain', 'second')]",
    )
    for queue in ("celery", "plain", "second"):
        eventually(lambda queue=queue: len(celery_project.runs(queue)) == 5, timeout=30)
        assert sorted(celery_project.bodies(queue)) == [str(n) for n in range(5)]

    eventually(lambda: counts(f"{prefix}__celery") == (0, 0, 0))


@pytest.mark.slow
def test_celerys_queues_are_neither_shown_nor_cleared(celery_project, prefix, counts):
    call(celery_project, "c.record.delay(1); django_sqs.send('plain', body='x')")

    status = celery_project.run("sqs_status", "--format=json")
    cleared = celery_project.run("sqs_clear", "--no-input")

    assert cleared.popen.returncode == 0, cleared.output
    assert counts(f"{prefix}__plain") == (0, 0, 0)
    assert counts(f"{prefix}__celery") == (1, 0, 0)
    shown = json.loads("".join(line for line in status.output.splitlines() if line[:1] in "[{ ]}"))
    assert "celery" not in {row["queue"] for row in shown}


def test_a_task_sends_and_a_receiver_starts_a_task(celery_project, start_celery, eventually):
    start_celery("prefork")
    celery_project.start(
        *("runreceiver", "plain", "to_celery", "to_celery_whole", "--processes=1"),
    )

    call(
        celery_project,
        "c.send.delay('from a task'); django_sqs.send('to_celery', body={'value': 7});"
        "django_sqs.send('to_celery_whole', body='whole')",
    )

    eventually(lambda: celery_project.bodies("plain") == ["from a task"], timeout=30)
    eventually(lambda: sorted(celery_project.bodies("celery")) == ["7", "whole"], timeout=30)


@pytest.mark.slow
def test_a_message_waits_while_celerys_broker_is_down(celery_project, eventually, prefix, counts):
    worker = celery_project.start(
        "runreceiver",
        "to_celery_whole",
        TEST_SITE_BROKER_URL="sqs://testing:testing@127.0.0.1:9",
    )
    call(celery_project, "django_sqs.send('to_celery_whole', body='kept')")

    eventually(lambda: "broker did not accept task shop.record" in worker.output, timeout=60)
    eventually(lambda: counts(f"{prefix}__to_celery_whole") == (0, 1, 0))


@pytest.mark.slow
def test_a_strangers_message_stops_neither_side(
    celery_project, start_celery, eventually, sqs, prefix, counts
):
    worker = start_celery("threads")
    receiver = celery_project.start("runreceiver", "plain", "mappings", "--processes=1")
    urls = {
        name: sqs.create_queue(QueueName=f"{prefix}__{name}")["QueueUrl"]
        for name in ("celery", "plain", "mappings")
    }
    call(
        celery_project,
        "c.record.apply_async(['lost'], queue='mappings');"
        "c.record.apply_async(['x'], queue='plain')",
    )
    call(
        celery_project,
        "from django_sqs.registry import receivers; q = receivers.get('plain');"
        f"q.full_name = lambda suffix=None: '{prefix}__celery'; q.send(body='a stranger')",
    )
    sqs.send_message(QueueUrl=urls["celery"], MessageBody="no envelope at all")
    eventually(lambda: counts(f"{prefix}__mappings") == (0, 0, 0), timeout=30)
    eventually(lambda: counts(f"{prefix}__celery") == (0, 0, 0), timeout=30)
    call(celery_project, "c.record.delay('own'); django_sqs.send('plain', body='own')")

    eventually(lambda: celery_project.bodies("celery") == ["own"], timeout=30)
    eventually(lambda: "own" in celery_project.bodies("plain"), timeout=30)
    assert "unknown message" in worker.output
    assert f"{prefix}__mappings (receive 1) made its receiver fail" in receiver.output


@pytest.mark.parametrize(
    "pool",
    ["prefork", *(pytest.param(pool, marks=pytest.mark.slow) for pool in ("threads", "solo"))],
)
def test_receivers_in_a_celery_worker(
    pool, celery_project, start_celery, eventually, prefix, counts, server
):
    queues = "plain,restart,failing,exiting,limited,started,rows,async,tried"
    worker = start_celery(pool, TEST_RECEIVER_STEP=queues)
    call(
        celery_project,
        "from tests.site.shop.models import Order; o = Order.objects.create(title='tea');"
        "from django_sqs.message import ModelInstanceMessage as M;"
        "django_sqs.send('rows', M(instance=o)); c.record.delay('task');"
        "[django_sqs.send('plain', body=str(n)) for n in range(30)];"
        "[django_sqs.send(q, body='x') for q in"
        " ('restart', 'failing', 'exiting', 'limited', 'async', 'tried')];"
        "django_sqs.send('started', body='restart')",
    )
    eventually(lambda: len(celery_project.runs("plain")) == 30, timeout=40)
    expected = {
        "restart": ["x", "x"],
        "failing": ["x"],
        "exiting": ["x"],
        "limited": ["x"],
        "started": ["restart", "restart"],
        "rows": ["tea"],
        "async": ["x"],
        "tried": ["x", "x"],
        "celery": ["task"],
    }
    for queue, bodies in expected.items():
        eventually(lambda q=queue, b=bodies: celery_project.bodies(q) == b, timeout=30)
    for queue in queues.split(","):
        eventually(lambda queue=queue: counts(f"{prefix}__{queue}") == (0, 0, 0))

    assert counts(f"{prefix}__tried-dead") == (1, 0, 0)
    assert sorted(celery_project.bodies("plain"), key=int) == [str(n) for n in range(30)]
    assert "ValueError: a receiver's own fault" in worker.output
    assert "took its receiver too long" in worker.output
    assert server.count("DeleteMessage", f"{prefix}__plain") == 0
    pids = {run["pid"] for run in celery_project.runs("plain")}
    assert (worker.pid in pids) == (pool != "prefork")


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_celery_worker_stops_its_receivers_as_a_worker_of_their_own(
    pool, celery_project, start_celery, eventually, prefix, counts
):
    worker = start_celery(pool, concurrency=1, TEST_RECEIVER_STEP="slow")
    call(celery_project, "[django_sqs.send('slow', body='2') for _ in range(4)]")
    eventually(lambda: celery_project.runs("slow"))

    worker.signal(signal.SIGTERM)
    assert worker.wait(30) == 0, worker.output

    runs = celery_project.runs("slow")
    assert all(run["finished"] for run in runs)
    assert counts(f"{prefix}__slow") == (4 - len(runs), 0, 0)


@pytest.mark.parametrize("pool", ["prefork", pytest.param("threads", marks=pytest.mark.slow)])
def test_a_receiver_in_a_celery_worker_hears_that_it_stops(
    pool, celery_project, start_celery, eventually, prefix, counts
):
    worker = start_celery(pool, concurrency=1, TEST_RECEIVER_STEP="long")
    call(celery_project, "django_sqs.send('long', body='x')")
    eventually(lambda: celery_project.runs("long"), timeout=30)

    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0, worker.output
    assert counts(f"{prefix}__long") == (1, 0, 0)
    start_celery(pool, concurrency=1, TEST_RECEIVER_STEP="long")

    eventually(lambda: celery_project.bodies("long") == ["None", "{'done': True}"], timeout=30)


@pytest.mark.slow
def test_a_process_of_the_pool_that_dies_leaves_its_message(
    celery_project, start_celery, eventually, prefix, counts
):
    worker = start_celery(
        "prefork", TEST_RECEIVER_STEP="crashing,plain", TEST_VISIBILITY_TIMEOUT="3"
    )
    call(
        celery_project, "django_sqs.send('crashing', body='x'); django_sqs.send('plain', body='y')"
    )

    eventually(lambda: len(celery_project.runs("crashing")) == 2, timeout=30)
    eventually(lambda: counts(f"{prefix}__crashing") == (0, 0, 0), timeout=30)

    assert celery_project.bodies("plain") == ["y"]
    assert "was lost" in worker.output
