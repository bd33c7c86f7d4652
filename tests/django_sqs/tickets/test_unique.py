"""``unique=`` in a project's database: with transactions, the outbox and threads at once."""

import contextlib
import io
import threading
import time
import uuid

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections, router, transaction

import django_sqs
from django_sqs.outbox import claims
from django_sqs.outbox.claims import OutboxQueue
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.tickets.models import UniqueKey
from django_sqs.tickets.store import DatabaseTickets
from django_sqs.written import written
from django_sqs_kombu.exceptions import ConfigurationError, EnvironmentFailure, MessageTooLarge

#: In a project whose keys are in the database "keys".
SCRIPT = """
import contextlib
import django_sqs
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import transaction
from django_sqs.message import ModelInstanceMessage
from django_sqs.registered_queue import RegisteredQueue
from django_sqs.tickets.models import UniqueKey
from django_sqs_kombu.exceptions import ConfigurationError

call_command("migrate", "contenttypes", database="default", verbosity=0)
call_command("migrate", "django_sqs_tickets", database="keys", verbosity=0)
rows = RegisteredQueue("rows", print, message_class=ModelInstanceMessage)

def sent(key, queue=django_sqs.queues["second"], **options):
    options = options if "instance" in options else {"body": "x", **options}
    return queue.send(unique=key, unique_for=60, **options).sent

def refused(key, **options):
    try:
        sent(key, **options)
    except ConfigurationError as exc:
        return "'default', but they are in 'keys'" in str(exc)

@contextlib.contextmanager
def rolled_back(using):
    with contextlib.suppress(KeyError), transaction.atomic(using=using):
        yield
        raise KeyError

with rolled_back("default"):
    assert sent("at once")
assert not sent("at once")

with rolled_back("default"):
    assert refused("a", on_commit=True)
    assert refused("a", on_commit=True, using="default")
    with transaction.atomic("keys"):
        assert refused("a", on_commit=True)
    made = ContentType.objects.create(app_label="a", model="b")
    assert refused("a", queue=rows, instance=made)
assert UniqueKey.objects.count() == 1

for key, options in {"b": {}, "c": {"on_commit": True}, "d": {"on_commit": True, "using": "keys"},
                     "e": {"on_commit": True, "using": "default"}}.items():
    with rolled_back("keys"):
        assert sent(key, **options)
        assert not sent(key, **options)
    with transaction.atomic("keys"):
        assert sent(key, **options)
    assert not sent(key, **options)
print("AS IT SHOULD BE")
"""

SETTINGS = """
import os
from tests.site.settings import *
DATABASES = {
    alias: {**DATABASES["default"], "NAME": os.path.join(os.environ["FOLDER"], alias)}
    for alias in ("default", "keys")
}
DATABASE_ROUTERS = ["tests.django_sqs.tickets.test_unique.Elsewhere"]
"""


class Elsewhere:
    """Puts the keys, and nothing else, into "keys"."""

    def db_for_write(self, model, **hints):
        return "keys" if model._meta.app_label == "django_sqs_tickets" else None

    db_for_read = db_for_write


pytestmark = pytest.mark.django_db(transaction=True)


def send(body="x", **options):
    return django_sqs.send("second", body=body, unique="a", unique_for=60, **options)


def received():
    """How many messages there are; they are taken out."""
    count = 0
    while django_sqs.queues["second"].receive_single() is not None:
        count += 1
    return count


def in_block():
    """A transaction of the database that the tickets are in, and the outbox."""
    return transaction.atomic(using=router.db_for_write(UniqueKey))


def test_one_is_sent_and_then_again_after_its_time():
    first, second = send(), send()
    assert (first.sent, second.sent) == (True, False)
    assert second.id == first.id

    UniqueKey.objects.update(expires=time.time() - 1)
    third = send()

    assert third.sent
    assert third.id != first.id
    assert received() == 2


def test_a_key_whose_commit_was_not_answered_is_given_back(monkeypatch):
    used = connections[router.db_for_write(UniqueKey)]
    commit = used._commit

    def answer_lost():
        commit()
        broken()

    def broken():
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(used, "_commit", answer_lost)
        # Which is why Django closes the connection.
        patch.setattr(used, "_rollback", broken)
        patch.setattr(used, "_close", lambda close=used._close: (patch.undo(), close()))
        with pytest.raises(OperationalError):
            send()

    assert send().sent


def test_a_rollback_gives_the_key_back():
    with contextlib.suppress(KeyError), in_block():
        assert send().sent
        raise KeyError
    with in_block():
        assert send().sent

    assert received() == 1


@pytest.mark.parametrize("commits", [True, False])
def test_key_and_message_in_the_outbox_are_one_transaction(commits):
    with contextlib.suppress(KeyError), in_block():
        assert send(outbox=True).sent
        assert not send(outbox=True).sent
        if not commits:
            raise KeyError

    assert OutboxMessage.objects.count() == UniqueKey.objects.count() == int(commits)
    assert Relay().send_all() == int(commits)
    assert send(outbox=True).sent is not commits


def test_a_rollback_in_another_database_leaves_no_key_without_its_message(
    project, tmp_path, counts, prefix
):
    (tmp_path / "keys_elsewhere.py").write_text(SETTINGS)
    project.env["PYTHONPATH"] = f"{tmp_path}:{project.env.get('PYTHONPATH', '')}"

    more = {"DJANGO_SETTINGS_MODULE": "keys_elsewhere", "DB": "", "FOLDER": str(tmp_path)}
    done = project.run("shell", "-c", SCRIPT, **more)

    assert "AS IT SHOULD BE" in done.output, done.output
    assert counts(f"{prefix}__second") == (5, 0, 0)


def test_what_the_outbox_refuses_leaves_no_key():
    with pytest.raises(MessageTooLarge):
        send(body="x" * 2_000_000, outbox=True)

    assert not UniqueKey.objects.exists()


def test_what_is_cancelled_frees_its_key():
    ticket = send(delay=30)
    with contextlib.suppress(KeyError), in_block():
        assert ticket.cancel()
        raise KeyError
    assert not send().sent, "the cancellation was rolled back"

    assert ticket.cancel()
    assert send().sent


@pytest.mark.parametrize("outbox", [False, True])
@pytest.mark.parametrize("until", ["started", "finished"])
def test_its_end_frees_it(until, outbox):
    with in_block():
        assert send(unique_until=until, outbox=outbox).sent
        assert not send(unique_until=until, outbox=outbox).sent
    Relay().send_all()

    assert received() == 1

    assert send(unique_until=until).sent


def test_in_the_transaction_of_a_test_it_is_freed_too():
    block = transaction.atomic(using=router.db_for_write(UniqueKey))
    block._from_testcase = True
    with block:
        assert send(unique_until="finished").sent
        assert not send(unique_until="finished").sent
        assert received() == 1
        assert send(unique_until="finished").sent


def test_what_may_end_before_its_key_is_committed_is_refused():
    with in_block():
        with pytest.raises(
            ConfigurationError, match="'second': unique_until= cannot be combined with"
        ):
            send(unique_until="finished", on_commit=False)
        assert send(on_commit=False).sent, "its key ends with its time"
    UniqueKey.objects.all().delete()

    assert send(unique_until="finished", on_commit=False).sent


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one in memory waits for nobody")
def test_who_is_told_that_one_waits_may_rely_on_what_it_reads(site, eventually):
    site.SQS_RESTART_BACKOFF = 0
    assert send(unique_until="started").sent
    ends = []

    def receive():
        try:
            ends.append(received())
        except EnvironmentFailure as exc:
            ends.append(str(exc))
        connections.close_all()

    receiver = threading.Thread(target=receive)
    with in_block():
        assert not send(unique_until="started").sent
        receiver.start()
        receiver.join(10)
        # What this transaction writes is to be read by the receiver, which so is not started; and
        # the thread is free for other messages.
        assert ["cannot be given back" in str(end) for end in ends] == [True]

    eventually(lambda: received() == 1)
    assert send(unique_until="started").sent


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one in memory waits for nobody")
def test_in_an_old_snapshot_the_ticket_is_that_of_who_has_the_key_now():
    first, later = send(), []

    def take_over():
        UniqueKey.objects.all().delete()
        later.append(send())
        connections.close_all()

    with in_block():
        assert UniqueKey.objects.get().ticket_id == first.id
        other = threading.Thread(target=take_over)
        other.start()
        other.join(10)
        mine = send()

    assert later[0].sent
    assert (mine.sent, mine.id) == (False, later[0].id)


def test_what_the_relay_gives_up_frees_its_key():
    assert send(outbox=True).sent
    row = OutboxMessage.objects.get()
    claim = claims.claim(OutboxQueue(row._state.db, "second", ""))
    assert not send().sent

    claims.fail(claim, row, "SQS refuses it", in_doubt=False)

    assert OutboxMessage.objects.get().failed_at
    assert send().sent
    claims.fail(claim, row, "it is another relay's by now", in_doubt=False)
    assert not send().sent


def test_what_the_relay_gives_up_and_sqs_may_have_keeps_its_key():
    assert send(outbox=True).sent
    claim = claims.claim(OutboxQueue(OutboxMessage.objects.db, "second", ""))

    claims.fail(claim, claim.rows[0], "the answer was lost", in_doubt=True)

    assert OutboxMessage.objects.get().failed_at
    assert not send().sent


def test_what_is_set_aside_frees_its_key():
    assert send(outbox=True).sent

    assert [*claims.set_aside(written(OutboxMessage), "in the way")]

    assert send().sent


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one in memory waits for nobody")
def test_of_many_at_once_one_has_the_key(isolation):
    store, owners, barrier = DatabaseTickets(), [], threading.Barrier(4)

    def claim():
        barrier.wait(10)
        owners.append(store.claim("key", str(uuid.uuid4()), 60))
        connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(owners) == 4
    assert len(set(owners)) == 1


def test_keys_whose_time_is_over_are_pruned():
    send()
    call_command("sqs_prune_tickets", stdout=io.StringIO())
    assert UniqueKey.objects.count() == 1
    UniqueKey.objects.update(expires=time.time() - 1)

    call_command("sqs_prune_tickets", stdout=io.StringIO())

    assert not UniqueKey.objects.exists()


def test_a_key_says_which_queue_it_is_of():
    send()

    key = UniqueKey.objects.get()
    assert key.queue == django_sqs.queues["second"].full_name()
    assert str(key).endswith(f" ({key.queue})")


def test_one_whose_time_is_over_says_the_queue_of_who_takes_it():
    send()
    UniqueKey.objects.update(queue="", expires=time.time() - 1)
    send()

    assert UniqueKey.objects.get().queue == django_sqs.queues["second"].full_name()


def test_processes_of_the_release_before_write_keys_without_their_queues():
    with connections[router.db_for_write(UniqueKey)].cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_sqs_tickets_uniquekey (digest, ticket_id, expires) "
            "VALUES ('a', 'b', 0)"
        )

    assert str(UniqueKey.objects.get()) == "a"
