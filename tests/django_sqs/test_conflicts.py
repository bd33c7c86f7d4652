"""What fails since another transaction was in the way is tried again soon, and not as an outage."""

import contextlib
import sqlite3
import sys

import pytest
from django.db import OperationalError, connections, router

import django_sqs
from django_sqs.database_errors import as_it_counts
from django_sqs.message import RawMessage
from django_sqs_kombu.exceptions import EnvironmentFailure, MessageDecodeError
from django_sqs_kombu.working import Retry
from django_sqs_kombu.working.handling import handle

from ..django_sqs_kombu.working.fakes import FakeDelivery
from ..site.shop.models import Order

#: What the servers answer, raised by themselves.
SQL = {
    "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{}'; END $$",
    "mysql": "SIGNAL SQLSTATE '{}' SET MESSAGE_TEXT = 'in the way', MYSQL_ERRNO = {}",
}
CONFLICTS = {
    "postgresql": [["40001"], ["40P01"]],
    "mysql": [["40001", 1213], ["HY000", 1020]],
}


class InTheWay(Exception):
    sqlstate = "40001"


def conflict():
    error = OperationalError("could not serialize access")
    error.__cause__ = InTheWay("could not serialize access")
    return error


def deadlock():
    return OperationalError(1213, "Deadlock found when trying to get lock")


def snapshot(folder):
    """SQLite's own, of a transaction that reads and then writes what another one has written."""
    with (
        contextlib.closing(sqlite3.connect(folder / "shop.sqlite3", timeout=5)) as reads,
        contextlib.closing(sqlite3.connect(folder / "shop.sqlite3")) as writes,
    ):
        reads.execute("PRAGMA journal_mode = WAL")
        reads.execute("CREATE TABLE orders (title TEXT)")
        reads.execute("BEGIN")
        reads.execute("SELECT * FROM orders").fetchall()
        with writes:
            writes.execute("INSERT INTO orders VALUES ('theirs')")
        try:
            reads.execute("INSERT INTO orders VALUES ('ours')")
        except sqlite3.OperationalError as exc:
            error = OperationalError(*exc.args)
            error.__cause__ = exc
            return error


def caught():
    error = EnvironmentFailure("Its receipt cannot be committed")
    error.__cause__ = as_it_counts(conflict())
    return error


class Queried(RawMessage):
    """One whose own query meets another transaction."""

    @classmethod
    def decode(cls, delivery):
        raise MessageDecodeError("cannot be read", kind=OperationalError) from conflict()


def settled(raised, *, receives=1, redrive=False, **options):
    """What is done with a message whose receiver raises that."""

    def receive(message):
        raise raised

    queue = django_sqs.register("in_the_way", receive, **options)
    delivery = FakeDelivery(receive_count=receives, redrive=redrive)
    handle(queue, delivery, queue.get_queue())
    django_sqs.receivers.queues.pop("in_the_way")
    return delivery


@pytest.mark.parametrize(
    ("failed", "options"),
    [
        (conflict, {}),
        (deadlock, {}),
        (conflict, {"retry": Retry(OperationalError)}),
        # The library's own, whatever a policy says.
        (caught, {}),
    ],
)
def test_a_message_waits_a_tenth_of_the_backoff(failed, options, db):
    for receives in (1, 5):
        [(done, seconds)] = settled(failed(), receives=receives, **options).done
        least = 2 ** (receives - 1)
        assert done == "requeue"
        assert least <= seconds <= least * 1.5 + 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not say which error it is")
def test_sqlites_conflicts_are_known(db, tmp_path):
    [(done, seconds)] = settled(snapshot(tmp_path)).done

    assert (done, seconds <= 2) == ("requeue", True)


def test_an_outage_waits_for_the_whole_of_it(db):
    # None is the usual backoff.
    assert settled(OperationalError("the server has gone away")).done == [("requeue", None)]


def test_the_pauses_of_a_policy_count_as_they_are(db):
    [(_, seconds)] = settled(conflict(), retry=Retry(OperationalError, backoff=30)).done

    assert seconds >= 30


def test_one_that_is_sent_again_waits_no_longer(db):
    [entry] = settled(conflict(), redrive=True).sent

    assert entry["DelaySeconds"] <= 2


def test_what_a_message_class_met_counts_as_well(db):
    [(done, seconds)] = settled(None, message_class=Queried).done

    assert (done, seconds <= 2) == ("requeue", True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_a_real_servers_answer_is_known(once, number):
    connection = connections[router.db_for_write(Order)]
    if connection.vendor not in SQL:
        pytest.skip("SQLite has one writer at a time")
    [*answer] = CONFLICTS[connection.vendor][number]

    def receive(message):
        with connection.cursor() as cursor:
            cursor.execute(SQL[connection.vendor].format(*answer))

    queue = django_sqs.register("in_the_way", receive, once=once)
    delivery = FakeDelivery()
    handle(queue, delivery, queue.get_queue())
    django_sqs.receivers.queues.pop("in_the_way")

    [(done, seconds)] = delivery.done
    assert (done, seconds <= 2) == ("requeue", True)
