"""Rows and queues that cannot be sent, and what their neighbours notice of it: nothing."""

import threading
import time

import pytest
from django.db import InterfaceError, connections
from django.db.models import JSONField, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import django_sqs
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import FIRST_PAUSE, Relay
from django_sqs_kombu import MessageEncodeError

pytestmark = pytest.mark.django_db(transaction=True)


def write(queue, *bodies, **options):
    for body in bodies:
        django_sqs.send(queue, body=body, outbox=True, **options)


def spoil(body, **changes):
    """Make a row what no writer of ours makes it, as another version or a hand may."""
    OutboxMessage.objects.filter(body=body).update(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": {"n": 5}},
        {"attributes": {"n": None}},
        {"attributes": ["a", "list"]},
        {"attributes": {"empty": ""}},
        {"content_type": "\x01"},
        {"escaped": True},
        {"group_id": "with spaces"},
        {"suffix": "no such name!"},
    ],
    ids=str,
)
def test_a_poisonous_row_harms_no_neighbour(changes, attached):
    write("plain", *map(str, range(4)), "bad", *map(str, range(4, 9)))
    write("second", "x")
    spoil("bad", **changes)

    sent = Relay().send_all()

    assert attached("second") == 1
    assert attached("plain") >= 9
    assert sent >= 10
    if sent == 10:
        assert OutboxMessage.objects.get().error


def test_attributes_that_are_null_are_none(attached):
    write("plain", *map(str, range(9)), "odd")
    # JSON's null, which a column that is not null takes.
    spoil("odd", attributes=Value(None, JSONField()))

    assert Relay().send_all() == 10


@pytest.mark.filterwarnings("ignore::django_sqs.UnknownSuffixWarning")
def test_queues_whose_names_differ_by_case_alone_are_not_taken_for_one(attached):
    # To MariaDB and MySQL such texts are equal.
    for suffix in ("big", "BIG", "Big"):
        write("plain", "a", "b", suffix=suffix)

    assert Relay().send_all() == 6

    assert [attached(f"plain__{suffix}") for suffix in ("big", "BIG", "Big")] == [2, 2, 2]
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("body", ["", "nul \x01 here", '{"body": "x", "properties": {}}'])
def test_what_send_refuses_is_refused_when_it_is_written(body, attached):
    for outbox in (False, True):
        with pytest.raises(MessageEncodeError):
            django_sqs.queues["raw_out"].send(body=body, outbox=outbox)

    assert not OutboxMessage.objects.exists()


@pytest.fixture(autouse=True)
def raw_out():
    django_sqs.register(
        "raw_out", message_class=django_sqs.queues["outgoing"].message_class, wire_format="raw"
    )
    yield
    del django_sqs.queues["raw_out"]


def test_a_nul_is_sent_as_it_was_written(attached, bodies):
    write("outgoing", "before\0after")

    assert Relay().send_all() == 1
    assert bodies("outgoing") == ["before\0after"]


def test_a_poisonous_head_of_a_group_fails_and_its_group_goes_on(attached, bodies):
    write("ordered.fifo", "bad", *map(str, range(12)), group_id="a")
    write("ordered.fifo", "other", group_id="b")
    spoil("bad", attributes={"n": 5})

    assert Relay().send_all() == 13

    found = bodies("ordered.fifo")
    found.remove("other")
    assert found == [str(number) for number in range(12)]
    assert OutboxMessage.objects.get().failed_at


def test_the_setting_lets_a_failed_row_keep_back_its_group(attached, bodies, settings):
    settings.SQS_OUTBOX_GROUP_WAITS = True
    write("ordered.fifo", "first", "bad", "behind", "too", group_id="a")
    write("ordered.fifo", "other", group_id="b")
    spoil("bad", attributes={"n": 5})

    assert Relay().send_all() == 2
    assert Relay().send_all() == 0
    assert sorted(bodies("ordered.fifo")) == ["first", "other"]
    # To MariaDB and MySQL the names of those groups are equal.
    write("ordered.fifo", "another's", group_id="A")
    assert Relay().send_all() == 1
    assert bodies("ordered.fifo") == ["another's"]
    OutboxMessage.objects.filter(body="bad").delete()
    assert Relay().send_all() == 2
    assert bodies("ordered.fifo") == ["behind", "too"]


def test_what_sqs_refuses_for_its_content_fails_at_once(attached, server, prefix):
    write("plain", "a", "b", "c")
    server.failed_entries["SendMessageBatch", f"{prefix}__plain"] = [
        [(1, "InvalidMessageContents", True)]
    ]

    assert Relay().send_all() == 2

    assert "InvalidMessageContents" in OutboxMessage.objects.exclude(failed_at=None).get().error


def test_what_sqs_refuses_for_another_reason_fails_after_so_many_tries(
    attached, server, prefix, settings
):
    settings.SQS_OUTBOX_TRIES = 3
    write("plain", "a", "b")
    refusals = server.failed_entries["SendMessageBatch", f"{prefix}__plain"] = []
    for tries in range(1, 4):
        assert not OutboxMessage.objects.exclude(failed_at=None)
        refusals.append([(0, "Odd", True), (1, "InternalError", False)])
        # What is InternalError is sent again in the same try, by itself.
        Relay().send_all()
        assert OutboxMessage.objects.get(body="a").refusals == tries
        OutboxMessage.objects.update(try_after=None)
        if tries < 3:
            write("plain", f"beside {tries}")

    assert OutboxMessage.objects.exclude(failed_at=None).get().body == "a"


def test_what_passes_never_fails(attached, server, prefix, settings):
    settings.SQS_OUTBOX_TRIES = 1
    write("plain", "a")
    name = f"{prefix}__plain"
    server.faults["SendMessage", name] = (503, "ServiceUnavailable")
    for _ in range(2):
        assert Relay().send_all() == 0
        assert OutboxMessage.objects.get().failed_at is None
    del server.faults["SendMessage", name]

    assert Relay().send_all() == 1


def test_an_s3_that_is_away_is_not_the_rows_fault(attached, settings, server):
    settings.SQS_LARGE_PAYLOAD_BUCKET = "no-such-bucket-here"
    settings.SQS_S3_ENDPOINT_URL = server.url
    write("plain", "x" * 2**20, "small")

    assert Relay().send_all() == 1

    row = OutboxMessage.objects.get()
    assert "no-such-bucket-here" in row.error
    assert (row.tries, row.refusals, row.failed_at) == (1, 0, None)


def test_many_rows_of_a_queue_that_is_missing_or_denied_hold_up_nobody(
    attached, settings, server, prefix, sqs, monkeypatch
):
    # However slow the database is, nobody's rest is over within the test.
    monkeypatch.setattr(django_sqs.outbox.relay, "FIRST_PAUSE", 60.0)
    settings.SQS_CREATE_QUEUES = False
    for name in ("plain", "second"):
        sqs.create_queue(QueueName=f"{prefix}__{name}")
    django_sqs.send_many("outgoing", map(str, range(300)), outbox=True)
    django_sqs.send_many("second", map(str, range(300)), outbox=True)
    write("plain", "healthy")
    relay = Relay()

    with server.refusing("SendMessageBatch", f"{prefix}__second"):
        assert relay.send_all() == 1
        before = server.count("SendMessageBatch", f"{prefix}__second")
        # Both rest now.
        assert relay.send_all() == 0

    assert before == server.count("SendMessageBatch", f"{prefix}__second") == 1
    assert "does not exist" in OutboxMessage.objects.filter(queue_name="outgoing").first().error
    assert "sqs:SendMessage" in OutboxMessage.objects.filter(queue_name="second").first().error


def test_an_idle_relay_asks_once_and_writes_nothing(attached):
    write("plain", "failed", "postponed")
    OutboxMessage.objects.filter(body="failed").update(failed_at=timezone.now())
    relay = Relay()
    relay.send_all()
    OutboxMessage.objects.exclude(body="failed").delete()

    with CaptureQueriesContext(connections[outbox_databases()[0]]) as asked:
        assert relay.send_all() == 0

    assert len(asked) == 1
    assert asked[0]["sql"].startswith("SELECT")


def test_a_row_of_another_relay_is_left_alone_until_its_claim_is_over(attached, bodies):
    from datetime import timedelta
    from uuid import uuid4

    write("plain", "claimed", "free")
    write("ordered.fifo", "first", "second", group_id="a")
    claim = {"claimed_by": uuid4(), "claimed_until": timezone.now() + timedelta(seconds=60)}
    OutboxMessage.objects.filter(body__in=["claimed", "first"]).update(**claim)

    assert Relay().send_all() == 1
    assert bodies("plain") == ["free"]
    OutboxMessage.objects.update(claimed_until=timezone.now())
    assert Relay().send_all() == 3
    assert bodies("ordered.fifo") == ["first", "second"]


def test_without_a_thread_to_be_had_a_queue_rests_and_is_sent_later(attached, monkeypatch):
    write("plain", *map(str, range(3)))
    relay, start = Relay(0.1), threading.Thread.start

    def refused(thread):
        if thread.name == "sqs-relay-send":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", refused)
        assert relay.send_all() == 0
    row = OutboxMessage.objects.first()
    assert "can't start new thread" in row.error
    # Another relay may have it at once.
    assert row.claimed_until is None
    time.sleep(FIRST_PAUSE)

    assert relay.send_all() == 3
    assert attached("plain") == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_whose_connections_cannot_be_closed_reports_all_the_same(attached, monkeypatch):
    write("plain", "x")
    close_all = connections.close_all

    def broken():
        if threading.current_thread().name == "sqs-relay-send":
            raise InterfaceError("the connection is gone")
        close_all()

    monkeypatch.setattr(connections, "close_all", broken)

    assert Relay(0.1).send_all() == 1
    assert attached("plain") == 1
