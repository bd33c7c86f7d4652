"""Faults of the database while messages of every kind are in flight: counted, none lost.

The short form runs a few messages of each kind; ``FAULTS=long`` runs 200 of each, and a database
that is away for 9 seconds, on every kind of database.
"""

import contextlib
import time
from collections import Counter

import pytest

from ..databases import direct, kinds, settings
from .conftest import LONG

COUNT, SECONDS, PATIENCE = (200, 9.0, 300) if LONG else (12, 2.0, 90)

SEND = """
import django_sqs
from tests.site.shop.models import Order
from tests.site.shop import tasks
bodies = [str(n) for n in range(COUNT)]
orders = [Order.objects.create(title=body) for body in bodies]
django_sqs.send_many("fault_plain", bodies)
django_sqs.send_many("fault_once", bodies)
django_sqs.send_many("fault_row", orders)
django_sqs.send_many("fault_plain", [f"outbox {body}" for body in bodies], outbox=True)
backend = tasks.read_and_write.get_backend()
backend.enqueue_many([(tasks.read_and_write, (body,), {}) for body in bodies])
"""
QUEUES = ("fault_plain", "fault_once", "fault_row", "tasks-default")
TABLES = ("shop_run", "django_sqs_inbox_receivedmessage", "django_sqs_results_taskrecord")


def restart(server, project):
    for _ in range(3):
        server.stop()
        server.start()
        time.sleep(0.5)


def away(server, project):
    server.stop()
    time.sleep(SECONDS)
    server.start()


def locked(server, project):
    """Somebody else holds what receivers write to, for longer than they wait for it."""
    with direct.connection(project.env) as connection:
        take_locks(server, connection)
        time.sleep(SECONDS)
        connection.rollback()


def take_locks(server, connection):
    """Take them between transactions of receivers, which would else meet this one in a deadlock."""
    deadline = time.monotonic() + 20
    statement = f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE NOWAIT"
    while True:
        try:
            connection.cursor().execute("BEGIN IMMEDIATE" if server is None else statement)
        except Exception:
            connection.rollback()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def serialization(server, project):
    """Each transaction that meets another one fails: the database was told so at its start."""


def full(server, project):
    """There is no connection left to be had."""
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                stack.enter_context(direct.connection(project.env))
            except Exception:
                time.sleep(0.1)


FAULTS = {each.__name__: each for each in (restart, away, locked, serialization, full)}
#: What each kind of database suffers.
SHORT = [
    ("sqlite", "locked"),
    *(("postgres", fault) for fault in ("away", "locked", "serialization", "full")),
]
CELLS = [
    *SHORT,
    ("postgres", "restart"),
    *(("pool", fault) for fault in FAULTS),
    *((kind, "restart") for kind in ("psycopg2", "pgbouncer", "mariadb")),
    *((kind, "away") for kind in ("pgbouncer", "mariadb-rr")),
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


def prepare(server, project, kind, fault):
    project.env |= {"TEST_TASKS": "1", "TEST_BACKOFF": "1"}
    if fault == "full":
        # Whoever keeps a connection needs no other.
        project.env["TEST_CONN_KEPT"] = "0"
    if server is None:
        project.env["TEST_SQLITE_TIMEOUT"] = "0.5"
    project.use(kind, server and server.address)
    name = settings.databases(project.env)["default"]["NAME"]
    if server is not None and kinds.KINDS[kind].engine == kinds.POSTGRESQL:
        said = {
            "locked": "lock_timeout = '300ms'",
            "serialization": "default_transaction_isolation = 'serializable'",
        }
        if fault in said:
            server.execute(f"ALTER DATABASE {name} SET {said[fault]}")


@pytest.mark.parametrize(("kind", "fault"), CELLS if LONG else SHORT)
def test_a_fault_of_the_database_loses_nothing(kind, fault, servers, project, eventually):
    server = servers(kind)
    prepare(server, project, kind, fault)
    sent = project.run("shell", "-c", f"COUNT = {COUNT}\n{SEND}")
    assert sent.popen.returncode == 0, sent.output
    worker = project.start("runreceiver", *QUEUES, "--processes=1", "--threads=3")

    def done():
        with contextlib.suppress(Exception):
            return direct.rows(project.env, "SELECT queue, body FROM shop_run")
        return []

    eventually(lambda: len(done()) > 2, timeout=60)
    FAULTS[fault](server, project)

    bodies = {str(n) for n in range(COUNT)}
    wanted = {
        *(("fault_plain", body) for body in bodies),
        *(("fault_plain", f"outbox {body}") for body in bodies),
        *((queue, body) for queue in ("fault_once", "fault_row", "fault_task") for body in bodies),
    }
    deadline = time.monotonic() + PATIENCE
    while (lost := wanted - {(each["queue"], each["body"]) for each in done()}) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.3)
    found = Counter((each["queue"], each["body"]) for each in done())
    again = worker.output.count("again later") + worker.output.count("to be restarted later")
    print(f"{kind}, {fault}: tried again {again} times, lost {len(lost)}")
    assert not lost, worker.output[-6000:]
    assert {found["fault_once", body] for body in bodies} == {1}
    eventually(lambda: states(project) == {"SUCCESSFUL": COUNT}, timeout=30)
    assert worker.popen.poll() is None


def states(project):
    statement = "SELECT status FROM django_sqs_results_taskrecord"
    return Counter(row["status"] for row in direct.rows(project.env, statement))
