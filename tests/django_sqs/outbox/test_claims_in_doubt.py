"""A database that fails while a claim is written: its rows are sent soon, not after two minutes."""

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections

import django_sqs
from django_sqs.outbox import claims, sending
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection():
    return connections[outbox_databases()[0]]


@pytest.fixture
def rows():
    return OutboxMessage.objects.using(outbox_databases()[0])


@pytest.fixture
def losing_a_commit(connection, monkeypatch):
    """Have the connection break off after the next commit, before its answer; is set then."""
    lost, commit = threading.Event(), connection._commit

    def commit_and_break_off():
        commit()
        if not lost.is_set():
            lost.set()
            raise OperationalError("the connection was broken off")

    monkeypatch.setattr(connection, "_commit", commit_and_break_off)
    return lost


class Failing:
    """Fails at one statement on rows of the outbox, once.

    :param at: the number of the statement, of those that are written or follow.
    """

    def __init__(self, at):
        self._left = at
        self._has_written = False
        self.failed = False

    def __call__(self, execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        self._has_written |= sql.startswith("UPDATE")
        if self._has_written and not self.failed:
            self._left -= 1
            if not self._left:
                self.failed = True
                # It is done and committed, and nobody is told.
                raise OperationalError("the connection was broken off")
        return found


@pytest.mark.parametrize("name", ["plain", "ordered.fifo"])
@pytest.mark.parametrize("at", [1, 2])
def test_rows_of_a_claim_whose_answer_is_lost_are_sent_soon(at, name, attached, connection, rows):
    group = {"group_id": "a"} if name.endswith(".fifo") else {}
    for body in ("first", "second"):
        django_sqs.send(name, body=body, outbox=True, **group)
    failing, relay = Failing(at), Relay(0.1)
    with connection.execute_wrapper(failing), pytest.raises(OperationalError):
        relay.send_all()

    assert failing.failed
    # Another may have them as soon as this one has ended.
    assert not rows.exclude(claimed_until=None).exists()
    assert Relay(0.1).send_all() == 2
    assert attached(name) == 2


def test_nor_do_they_wait_where_the_answer_to_the_commit_is_lost(
    attached, connection, rows, losing_a_commit
):
    django_sqs.send("plain", body="x", outbox=True)
    losing_a_commit.clear()
    if not claims.skips_locked(connection):
        pytest.skip("it is one statement there")
    with pytest.raises(OperationalError):
        Relay(0.1).send_all()

    assert losing_a_commit.is_set()
    assert not rows.exclude(claimed_until=None).exists()
    assert Relay(0.1).send_all() == 1


def test_a_relay_that_goes_on_sends_them_itself(
    attached, connection, rows, eventually, sqs, prefix
):
    sqs.create_queue(QueueName=f"{prefix}__plain")
    django_sqs.send("plain", body="x", outbox=True)
    relay = Relay(0.1)

    def stop_when_sent():
        try:
            eventually(lambda: attached("plain") == 1, timeout=20)
        finally:
            relay.stop()

    stopping = threading.Thread(target=stop_when_sent)
    stopping.start()
    with connection.execute_wrapper(Failing(1)):
        relay.run()

    stopping.join()
    assert attached("plain") == 1
    assert not rows.exists()


def test_no_request_begins_long_after_its_time_because_payloads_were_slow(attached, monkeypatch):
    for number in range(10):
        django_sqs.send("plain", body=str(number), outbox=True)
    passed, entry = [], sending.ClaimSending._entry

    def slow(self, *args):
        # As S3 may be: another relay has the rows by the time that the last is there.
        passed.append(claims.SENDING * 0.4)
        return entry(self, *args)

    monkeypatch.setattr(sending.ClaimSending, "_entry", slow)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed))
    monkeypatch.setattr(sending, "time", clock)
    claim = claims.claim(claims.OutboxQueue(outbox_databases()[0], "plain", ""))

    report = sending.send(claim)

    assert len(report.sent) == attached("plain") == len(passed) == 3
    assert report.untried
