"""The outbox with relays as real processes: several at once, failing queues, an SQS that hangs."""

import contextlib
import os
import socket
import threading
import time
from collections import Counter

import pytest

from ..databases import direct as database
from ..databases import kinds
from .proxy import FaultProxy

LONG = os.environ.get("FAULTS") == "long"
TABLE = "django_sqs_outbox_outboxmessage"


@pytest.fixture(scope="session")
def running():
    """Start the server of a kind of database once."""
    with contextlib.ExitStack() as stack:
        servers = {}

        def running(kind):
            if kinds.KINDS[kind].server is None:
                return None
            if kind not in servers:
                servers[kind] = stack.enter_context(kinds.running(kind)).address
            return servers[kind]

        yield running


@pytest.fixture
def site(project, running):
    """The project on a kind of database."""

    def site(kind):
        project.use(kind, running(kind))
        return project

    return site


def rows(site, what="count(*) AS n", where="1 = 1"):
    return database.rows(site.env, f"SELECT {what} FROM {TABLE} WHERE {where}")


def shell(site, code, **env):
    done = site.run("shell", "-c", code, **env)
    assert done.popen.returncode == 0, done.output
    return done.output


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb", "mariadb-rr"])
def test_two_relays_at_once_send_each_row_once(kind, site, sqs, prefix, bodies, eventually):
    site = site(kind)
    for name, attributes in (("plain", {}), ("ordered.fifo", {"FifoQueue": "true"})):
        sqs.create_queue(QueueName=f"{prefix}__{name}", Attributes=attributes)
    relays = [site.start("sqs_relay", TEST_QUIET="yes") for _ in range(2)]

    # Rows come while both are at work, so that they meet at every moment of each other's way.
    shell(
        site,
        """
import time
import django_sqs
for number in range(10):
    django_sqs.send_many("plain", [f"{number}.{n}" for n in range(20)], outbox=True)
    for group in "abc":
        django_sqs.send("ordered.fifo", body=f"{group}{number:02}", group_id=group, outbox=True)
    time.sleep(0.1)
""",
    )
    eventually(lambda: rows(site)[0]["n"] == 0, timeout=120)
    for relay in relays:
        relay.end()
        assert relay.popen.returncode == 0, relay.output

    found = Counter(bodies("plain"))
    assert len(found) == 200
    assert max(found.values()) == 1
    ordered = bodies("ordered.fifo")
    assert len(ordered) == 30
    for group in "abc":
        mine = [body for body in ordered if body[0] == group]
        assert mine == sorted(mine)


BUSY = """
import time
from django.db import transaction
import django_sqs
from django_sqs.outbox.models import OutboxMessage
with transaction.atomic():
    for queue in ("outgoing", "second", "plain", "copy"):
        django_sqs.send_many(queue, [str(number) for number in range(200)], outbox=True)
    for number in range(200):
        group = "poisoned" if number < 20 else f"g{number % 10}"
        django_sqs.send("ordered.fifo", body=str(number), group_id=group, outbox=True)
    OutboxMessage.objects.filter(queue_name="ordered.fifo", body="0").update(attributes={"n": 5})
print("COMMITTED", time.time())
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_healthy_queues_are_sent_to_beside_those_that_are_not(
    kind, site, steady_server, direct, prefix, eventually
):
    site = site(kind)
    proxy = FaultProxy(steady_server)
    proxy.denied.add(f"{prefix}__second")
    site.env |= {"TEST_SQS_ENDPOINT_URL": proxy.url, "TEST_CREATE_QUEUES": "no"}
    healthy = {"plain": 200, "copy": 200, "ordered.fifo": 199}
    urls = {}
    for name in ("second", *healthy):
        attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        answer = direct.create_queue(QueueName=f"{prefix}__{name}", Attributes=attributes)
        urls[name] = answer["QueueUrl"]
    site.start("sqs_relay", TEST_QUIET="yes")
    # It looks once a second.
    time.sleep(3)

    sender = site.start("shell", "-c", BUSY)
    eventually(lambda: "COMMITTED" in sender.output, timeout=60)
    eventually(lambda: rows(site)[0]["n"] == 401, timeout=120)
    took = time.time() - float(sender.output.split("COMMITTED")[1].split()[0])
    proxy.stop()

    print(f"{kind}: {took:.2f} s from the commit to the last healthy message")
    assert took < (5 if LONG else 20)
    for name, number in healthy.items():
        asked = direct.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["All"])
        assert int(asked["Attributes"]["ApproximateNumberOfMessages"]) == number
    [failed] = rows(site, "body, error", "failed_at IS NOT NULL")
    assert "'n'" in failed["error"]
    for queue, error in (("outgoing", "does not exist"), ("second", "sqs:SendMessage")):
        told = rows(site, "error", f"queue_name = '{queue}'")
        assert len(told) == 200
        assert any(error in row["error"] for row in told)


@pytest.fixture
def silence():
    """The URL of a server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept = []

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()


def test_a_site_on_sqlite_writes_while_sqs_hangs(site, silence, eventually):
    site = site("sqlite")
    shell(site, "import django_sqs; django_sqs.send_many('plain', ['x'] * 20, outbox=True)")
    relay = site.start("sqs_relay", TEST_SQS_ENDPOINT_URL=silence)
    eventually(lambda: rows(site, where="claimed_by IS NOT NULL")[0]["n"] == 20, timeout=30)

    # With a timeout of 2 s each of them would fail behind a transaction that waits for SQS.
    shell(
        site,
        """
import time
from django.db import connection, transaction
from tests.site.shop.models import Order
import django_sqs
connection.cursor().execute("PRAGMA busy_timeout = 2000")
for number in range(20):
    with transaction.atomic():
        Order.objects.create(title=str(number))
        django_sqs.send("second", body="x", outbox=True)
    time.sleep(0.2)
print("ALL")
""",
    )

    assert relay.popen.poll() is None
    assert rows(site)[0]["n"] == 40
