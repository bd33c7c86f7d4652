"""once=True and outbox=True with real workers, and what they refuse."""

import contextlib
import json
import time

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

import django_sqs
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.signals import message_sent
from django_sqs_kombu import MessageEncodeError
from django_sqs_kombu.exceptions import ConfigurationError, MessageTooLarge
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail

database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tables(project):
    project.add_tables()
    return project


@pytest.fixture
def attached(site, sqs, prefix, counts):
    """The project's queues on the test server; returns the visible count of one."""
    django_sqs.receivers.close()
    yield lambda name: counts(f"{prefix}__{name}")[0]
    django_sqs.receivers.close()


def test_a_message_delivered_twice_has_one_effect(tables, eventually, sqs, prefix, counts):
    tables.start("runreceiver", "once", "--threads=2")
    url = sqs.create_queue(QueueName=f"{prefix}__once")["QueueUrl"]
    twice = {TRAIL: Trail("one and the same").attribute()}
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="b25jZQ==", MessageAttributes=twice)
    sqs.send_message(QueueUrl=url, MessageBody="b3RoZXI=")

    eventually(lambda: counts(f"{prefix}__once") == (0, 0, 0), timeout=30)

    assert sorted(tables.bodies("once")) == ["once", "other"]


def test_a_receiver_that_fails_leaves_no_note(tables, eventually, prefix, counts):
    worker = tables.start("runreceiver", "once")
    tables.run("shell", "-c", "import django_sqs; django_sqs.send('once', body='restart')")

    # Its first run was rolled back together with the note, so the second has the effect.
    eventually(lambda: tables.bodies("once") == ["restart"], timeout=30)
    eventually(lambda: counts(f"{prefix}__once") == (0, 0, 0))

    assert "is to be restarted later" in worker.output


def test_another_process_relays_when_the_one_that_did_has_reached_its_limit(tables, eventually):
    worker = tables.start("runreceiver", "plain", "second", "--message-limit=1")
    tables.run("shell", "-c", "import django_sqs; django_sqs.send('plain', body='the limit')")
    eventually(lambda: "(plain) is done" in worker.output, timeout=30)
    tables.run("shell", "-c", "import django_sqs; django_sqs.send('second', body='x', outbox=True)")

    assert worker.wait() == 0
    assert tables.bodies("second") == ["x"]


def test_runreceiver_relays(tables, eventually, prefix):
    tables.start("runreceiver", "plain", "second")
    done = tables.run(
        "shell",
        "-c",
        """
import django_sqs
from django.db import transaction
from django_sqs.outbox.databases import outbox_databases
outbox = outbox_databases()[0]
with transaction.atomic(outbox):
    django_sqs.send("plain", body="committed", outbox=True, attributes={"mine": "x"})
try:
    with transaction.atomic(outbox):
        django_sqs.send("plain", body="rolled back", outbox=True)
        raise KeyError
except KeyError: pass
""",
    )
    assert done.popen.returncode == 0, done.output

    eventually(lambda: tables.bodies("plain") == ["committed"], timeout=30)
    time.sleep(1.5)
    assert tables.bodies("plain") == ["committed"]


def test_sqs_relay_sends_and_stops(tables, prefix, counts, eventually):
    send = "django_sqs.send('plain', body=str(n), outbox=True)"
    tables.run("shell", "-c", f"import django_sqs; [{send} for n in range(25)]")

    once = tables.run("sqs_relay", "--once")
    assert "Sent 25 messages" in once.output
    assert counts(f"{prefix}__plain") == (25, 0, 0)

    relay = tables.start("sqs_relay")
    tables.run("shell", "-c", "import django_sqs; django_sqs.send('plain', body='x', outbox=True)")
    eventually(lambda: counts(f"{prefix}__plain") == (26, 0, 0))
    relay.end()
    assert relay.popen.returncode == 0


@database
def test_the_relay_sends_in_batches_and_with_delays(attached, server, prefix):
    with transaction.atomic():
        for number in range(12):
            django_sqs.send("plain", body=str(number), outbox=True)
        django_sqs.send("second", body="later", outbox=True, delay=60)

    assert Relay().send_all() == 13

    assert attached("plain") == 12
    assert attached("second") == 0
    assert server.count("SendMessageBatch", f"{prefix}__plain") == 2


@database
def test_many_messages_are_written_at_once_and_relayed(attached, sqs, prefix):
    heard = []

    def hear(sender, queue, count, **kwargs):
        heard.append((queue.name, count))

    message_sent.connect(hear)
    try:
        with transaction.atomic(outbox_databases()[0]):
            bodies = (str(number) for number in range(12))
            assert django_sqs.send_many("plain", bodies, suffix="big", outbox=True) == 12
        with contextlib.suppress(KeyError), transaction.atomic(outbox_databases()[0]):
            django_sqs.send_many("plain", ["rolled back"], outbox=True)
            raise KeyError
        groups = ["a", "b"]
        django_sqs.send_many("ordered.fifo", ["1", "2"], outbox=True, group_id=groups, parallel=2)
        django_sqs.send_many("second", ["now", "later"], outbox=True, delay=[None, 60])
        assert heard == []
        assert Relay().send_all() == 16
    finally:
        message_sent.disconnect(hear)

    assert attached("plain__big") == 12
    assert attached("second") == 1
    assert sum(count for name, count in heard if name == "plain") == 12
    url = sqs.get_queue_url(QueueName=f"{prefix}__ordered.fifo")["QueueUrl"]
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["MessageGroupId"]
    )
    assert [m["Attributes"]["MessageGroupId"] for m in answer["Messages"]] == groups


@database
def test_of_many_messages_none_is_written_when_one_cannot_be():
    with pytest.raises(MessageEncodeError):
        django_sqs.send_many("plain", ["right", object()], outbox=True)

    assert OutboxMessage.objects.count() == 0


@database
def test_a_fifo_group_keeps_its_order_through_failures(attached, server, sqs, prefix):
    queue = django_sqs.register("relayed.fifo")
    name = f"{prefix}__relayed.fifo"
    try:
        for number in range(3):
            for group in "ab":
                django_sqs.send(
                    "relayed.fifo", body=f"{group}{number}", group_id=group, outbox=True
                )
        server.failed_entries["SendMessageBatch", name] = [[(0, "UnsupportedOperation", True)]]
        # Group a's first message is refused, so none of a's may follow.
        assert Relay().send_all() == 3
        del server.failed_entries["SendMessageBatch", name]
        assert OutboxMessage.objects.exclude(error="").get().tries == 1
        assert Relay().send_all() == 0
        OutboxMessage.objects.update(try_after=None)
        assert Relay().send_all() == 3
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages"):
            found.append(json.loads(messages[0]["Body"])["body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
    finally:
        del django_sqs.queues[queue.name]

    for group in "ab":
        assert [body for body in found if body[0] == group] == [f"{group}{n}" for n in range(3)]


@database
def test_what_sqs_refuses_stays_and_says_why(attached, server, prefix):
    django_sqs.send("plain", body="x", outbox=True)
    name = f"{prefix}__plain"
    server.faults["SendMessage", name] = (403, "AccessDenied")

    assert Relay().send_all() == 0
    del server.faults["SendMessage", name]
    row = OutboxMessage.objects.get()

    assert "sqs:SendMessage" in row.error
    # It is the queue that is refused, so no row of it is to blame.
    assert (row.tries, row.refusals, row.failed_at) == (0, 0, None)
    assert Relay().send_all() == 1


@database
def test_a_queue_that_is_no_longer_registered_stops_no_other(attached):
    OutboxMessage.objects.create(queue_name="gone", body="x", content_type="text/plain")
    django_sqs.send("plain", body="x", outbox=True)

    assert Relay().send_all() == 1
    assert "gone" in OutboxMessage.objects.get().error


@database
def test_a_message_that_is_too_large_is_refused_when_it_is_written(attached, settings):
    with pytest.raises(MessageTooLarge):
        django_sqs.send("plain", body="x" * 2**20, outbox=True)
    settings.SQS_LARGE_PAYLOAD_BUCKET = "a-bucket"
    django_sqs.send("plain", body="x" * 2**20, outbox=True)
    django_sqs.send("plain", body="small", outbox=True)
    settings.SQS_LARGE_PAYLOAD_BUCKET = None

    # The setting was taken back meanwhile.
    assert Relay().send_all() == 1
    row = OutboxMessage.objects.get()
    assert "exceeds" in row.error
    assert row.failed_at


@database
def test_asend_writes_in_the_transaction():
    async def send():
        await django_sqs.asend("plain", body="x", outbox=True)

    with contextlib.suppress(KeyError), transaction.atomic(outbox_databases()[0]):
        async_to_sync(send)()
        assert OutboxMessage.objects.count() == 1
        raise KeyError

    assert OutboxMessage.objects.count() == 0


@database
def test_what_is_wrong_with_a_message_is_raised_when_it_is_written():
    with pytest.raises(MessageEncodeError):
        django_sqs.send("plain", body=object(), outbox=True)
    with pytest.warns(django_sqs.UnknownSuffixWarning):
        django_sqs.send("plain", body="x", suffix="odd", outbox=True)

    assert OutboxMessage.objects.count() == 1


def test_the_apps_are_asked_for(settings):
    gone = ("django_sqs.inbox", "django_sqs.outbox")
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in gone]
    from django.core.checks import run_checks

    with pytest.raises(ConfigurationError, match=r"django_sqs\.outbox"):
        django_sqs.send("plain", body="x", outbox=True)
    assert "django_sqs.E004" in [problem.id for problem in run_checks(tags=["django_sqs"])]


@database
def test_old_notes_are_forgotten(tables):
    from datetime import timedelta
    from io import StringIO

    from django.core.management import call_command
    from django.utils import timezone

    for days in (1, 20):
        row = ReceivedMessage.objects.create(queue="q", message_id=str(days))
        ReceivedMessage.objects.filter(pk=row.pk).update(
            received_at=timezone.now() - timedelta(days=days)
        )
    out = StringIO()
    call_command("sqs_prune_inbox", stdout=out)

    assert "Deleted 1 note of a received message." in out.getvalue()
    assert ReceivedMessage.objects.get().message_id == "1"
