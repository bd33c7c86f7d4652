"""Calls by way of databases: both drivers hear, transactions mute nobody, no connection leaks."""

import contextlib
import json

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from django_sqs.wake.calls import Caller

from ...databases import kinds


@pytest.mark.parametrize(
    "kind",
    ["postgres", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("psycopg2", "pool"))],
)
def test_every_driver_is_heard_and_leaves_no_connection(kind, project):
    with kinds.running(kind) as server:
        project.use(kind, server.address)
        done = project.run("shell", "-c", SCRIPT, TEST_WAKE="postgres")

    assert done.popen.returncode == 0, done.output
    [line] = [line for line in done.output.splitlines() if line.startswith("FACTS ")]
    facts = json.loads(line.removeprefix("FACTS "))
    assert set(facts["heard"]) == {"plain", "second", "rolled back"}


SCRIPT = """
import asyncio, json, threading, time
from django.db import connection, transaction
import django_sqs
from django_sqs.wake.calls import caller
from django_sqs.wake.channels import channel_of

heard, stopping = [], threading.Event()
names = {"plain", "second", "rolled back"}
listen = lambda: channel_of("postgres").listen(names, heard.append, stopping)
thread = threading.Thread(target=listen)
thread.start()

def until(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.1)
    raise SystemExit(f"not so within 20 s; heard {heard}")

def count():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone()[0]

# It listens when it hears.
until(lambda: caller.call("plain", always=True) and "plain" in heard)
try:
    with transaction.atomic():
        caller.call("rolled back", always=True)
        # Before the end of the transaction: what is sent is in SQS already.
        until(lambda: "rolled back" in heard)
        raise KeyError
except KeyError:
    pass
caller.call("second")
until(lambda: "second" in heard)

async def send():
    await asyncio.gather(*(django_sqs.asend("plain", body="x") for _ in range(20)))

before = count()
caller._called.clear()
asyncio.run(send())
caller._called.clear()
# The server takes its time to end those that were closed; a pool keeps what it has opened.
most = max(before, connection.settings_dict["OPTIONS"].get("pool", {}).get("max_size", 0) + 1)
until(lambda: count() <= most)
print("FACTS", json.dumps({"heard": heard}))
stopping.set()
thread.join()
"""


@pytest.fixture
def table(settings):
    """A cache that is a table, and how often a call was written into it."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "calls"}
    }
    settings.SQS_WAKE = "cache"
    call_command("createcachetable", verbosity=0)
    yield lambda: _count()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE calls")


def _count():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM calls")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_send_that_is_rolled_back_mutes_no_call(table, site):
    caller = Caller()
    with contextlib.suppress(KeyError), transaction.atomic():
        caller.call("plain")
        raise KeyError
    assert table() == 0

    caller.call("plain")

    assert table() == 1


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_sends_much_calls_once(table, django_assert_num_queries):
    caller = Caller()
    with transaction.atomic():
        for _ in range(100):
            caller.call("plain")
        assert table() == 0

    assert table() == 1


@pytest.mark.django_db(transaction=True)
def test_a_call_that_fails_at_the_commit_fails_nothing(table, monkeypatch):
    caller = Caller()

    def fail(*args):
        raise ConnectionError("the cache is away")

    monkeypatch.setattr(caller, "_publish", fail)
    with transaction.atomic():
        caller.call("plain")


@pytest.mark.django_db
def test_calls_within_a_test_case_end(table, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        Caller().call("plain")

    assert table() == 1
