"""Faults of the database while messages of every kind are in flight: counted, none lost.

The short form runs a few messages of each kind; ``FAULTS=long`` runs 200 of each, and a database
that is away for 9 seconds, on every kind of database.
"""

import contextlib
import re
import time
from collections import Counter

import pytest

from ..databases import direct as database
from ..databases import kinds
from ..databases.faults import FAULTS, MORE, Span, prepare
from .conftest import LONG

COUNT, SECONDS, PATIENCE = (200, 9.0, 600) if LONG else (12, 2.0, 180)
#: Seconds that a receiver takes, so that many are not done yet when the fault comes.
PACE = "0.05" if LONG else "0.4"

SEND = """
import django_sqs
from tests.site.shop.models import Order
from tests.site.shop import tasks
bodies = [str(n) for n in range(COUNT)]
orders = [Order.objects.create(title=body) for body in bodies]
django_sqs.send_many("fault_plain", bodies)
django_sqs.send_many("fault_once", bodies)
django_sqs.send_many("fault_outbox", bodies)
django_sqs.send_many("fault_row", orders)
django_sqs.send_many("fault_batch", bodies)
django_sqs.send_many("fault_async", bodies)
backend = tasks.read_and_write.get_backend()
backend.enqueue_many([(tasks.read_and_write, (body,), {}) for body in bodies])
"""
#: Where each of the effects of a message of that body is to be had once.
ONCE = ("fault_once", "fault_outbox", "fault_batch")
THREADED = (*ONCE, "fault_plain", "fault_row", "tasks-default")
AGAIN = re.compile(r" of queue (\S+) \(receive \d+\) (?:is tried again later|could not be settled)")

#: What each kind of database suffers.
SHORT = [
    ("sqlite", "locked"),
    *(("postgres", fault) for fault in ("away", "locked", "serialization", "full", "read_only")),
]
CELLS = [
    ("sqlite", "locked"),
    *((kind, fault) for kind in kinds.KINDS if kind != "sqlite" for fault in FAULTS),
    *((kind, "read_only") for kind in kinds.KINDS if kind != "sqlite"),
    *((kind, "failover") for kind in ("postgres", "pool", "psycopg2")),
    *(("pgbouncer", fault) for fault in ("failover", "pooler", "paused")),
]


@pytest.fixture(scope="module")
def servers():
    """Returns the running server of a kind, or None where it has none."""
    started = {}
    with contextlib.ExitStack() as stack:

        def server_of(kind):
            if kinds.KINDS[kind].server is not None and kind not in started:
                started[kind] = stack.enter_context(kinds.running(kind))
            return started.get(kind)

        yield server_of


@pytest.fixture
def project(project, steady_server):
    """The project on a server that serves thousands of messages."""
    project.env["TEST_SQS_ENDPOINT_URL"] = f"http://127.0.0.1:{steady_server}"
    return project


@pytest.fixture
def left(direct, prefix):
    """How many messages are still in the queues."""

    def left():
        wanted = ["ApproximateNumberOfMessages" + kind for kind in ("", "NotVisible", "Delayed")]
        number = 0
        for queue in (*THREADED, "fault_async"):
            url = direct.get_queue_url(QueueName=f"{prefix}__{queue}")["QueueUrl"]
            told = direct.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
            number += sum(int(told[each]) for each in wanted)
        return number

    return left


def use(server, project, kind, fault):
    """Have a database of that kind that will suffer that fault."""
    project.env |= {"TEST_TASKS": "1", "TEST_SLOTS": "1", "TEST_BACKOFF": "1", "TEST_PACE": PACE}
    if server is None:
        project.env["TEST_SQLITE_TIMEOUT"] = "0.5"
    if fault == "serialization":
        project.env["TEST_ISOLATION"] = "serializable"
    if fault == "failover":
        # Nothing but the fault itself has them closed.
        project.env["TEST_CONN_MAX_AGE"] = "3600"
    project.use(kind, server and server.address)
    if server is not None:
        prepare(server, project.env, fault)


def wanted():
    """The runs that there must be in the end: (queue, body)."""
    bodies = [str(n) for n in range(COUNT)]
    queues = ("fault_plain", "fault_row", "fault_task", "fault_async", *ONCE)
    relayed = {("fault_plain", f"outbox {body}") for body in bodies}
    return relayed | {(queue, body) for queue in queues for body in bodies}


@pytest.mark.parametrize(("kind", "fault"), CELLS if LONG else SHORT)
def test_a_fault_of_the_database_loses_nothing(kind, fault, servers, project, left, eventually):
    server = servers(kind)
    use(server, project, kind, fault)
    sent = project.run("shell", "-c", f"COUNT = {COUNT}\n{SEND}")
    assert sent.popen.returncode == 0, sent.output
    workers = [
        project.start("runreceiver", *THREADED, "fault_slot", "--processes=1", "--threads=3"),
        project.start("runreceiver", "fault_async", "--processes=1", "--coroutines=10"),
    ]

    def done():
        with contextlib.suppress(Exception):
            return database.rows(project.env, "SELECT queue, body FROM shop_run")
        return []

    eventually(lambda: len(done()) > 2, timeout=60)
    span = Span(SECONDS, lambda: bites(workers).total() > 0)
    {**FAULTS, **MORE}[fault](server, project.env, span)

    def seen(queue):
        return Counter(each["body"] for each in done() if each["queue"] == queue)

    deadline = time.monotonic() + PATIENCE
    while (lost := wanted() - {(each["queue"], each["body"]) for each in done()}) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.3)
    found = Counter((each["queue"], each["body"]) for each in done())
    bitten = bites(workers)
    waiting = left() if lost else 0
    print(f"{kind}, {fault}: lost {len(lost)}, failed and tried again: {dict(bitten)}", flush=True)
    told = "\n".join(each.output[-6000:] for each in workers)
    assert not lost, f"{len(lost)} are not done, {waiting} wait in SQS\n{told}"
    assert {found[queue, str(n)] for queue in ONCE for n in range(COUNT)} == {1}
    assert bitten.total(), "nothing has failed, so this shows nothing"
    eventually(lambda: states(project) == {"SUCCESSFUL": COUNT}, timeout=30)
    slots = seen("fault_slot")
    # Both workers tick.
    eventually(lambda: len(seen("fault_slot") - slots) > 1, timeout=30)
    assert set(seen("fault_slot").values()) == {1}
    assert [each.popen.poll() for each in workers] == [None, None]


def bites(workers):
    """How often a message of each queue, or the outbox, failed and was tried again."""
    output = "".join(each.output for each in workers)
    found = Counter(name.rpartition("__")[2] for name in AGAIN.findall(output))
    found["the outbox"] = output.count("cannot be processed, trying again")
    return +found


def states(project):
    statement = "SELECT status FROM django_sqs_results_taskrecord"
    return Counter(row["status"] for row in database.rows(project.env, statement))
