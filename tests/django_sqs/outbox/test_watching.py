"""What people and monitors see of the outbox, and may do about it."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.utils import timezone

import django_sqs
from django_sqs.optional import metrics
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.worker.control import ControlServer
from django_sqs.worker.readiness import Readiness
from django_sqs.worker.stats import SharedStats
from django_sqs.written import written


@pytest.fixture
def backlog(db):
    """One row that waits for 1,000 seconds, one that is new, and one that has failed."""
    for body in ("old", "new", "failed"):
        django_sqs.send("plain", body=body, outbox=True)
    rows = OutboxMessage.objects
    rows.filter(body="old").update(created_at=timezone.now() - timedelta(seconds=1_000))
    rows.filter(body="failed").update(failed_at=timezone.now())


def test_a_check_of_the_database_warns_of_what_is_old_or_has_failed(backlog, settings):
    found = {
        each.id: each for each in run_checks(tags=["database"], databases=[outbox_databases()[0]])
    }

    assert "2 messages" in found["django_sqs_outbox.W001"].msg
    assert "1 message " in found["django_sqs_outbox.W002"].msg
    settings.SQS_OUTBOX_MAX_AGE = 2_000
    ids = [each.id for each in run_checks(tags=["database"], databases=[outbox_databases()[0]])]
    assert "django_sqs_outbox.W001" not in ids
    # As other checks of databases it asks only those that it is told to.
    assert not run_checks(tags=["database"], databases=[])


@pytest.mark.django_db
def test_an_outbox_that_is_not_migrated_yet_fails_no_check(monkeypatch):
    monkeypatch.setattr(OutboxMessage._meta, "db_table", "no_such_table")

    assert not run_checks(tags=["database"], databases=[outbox_databases()[0]])


# They are asked for in a thread of their own, which sees what is committed.
@pytest.mark.django_db(transaction=True)
def test_the_metrics_tell_how_much_waits_and_how_long(backlog):
    pytest.importorskip("prometheus_client")
    stats = SharedStats(["plain"], 1)
    control = ControlServer(("127.0.0.1", 0), stats, Readiness(stats, [["plain"]]))

    status, _, text = control.answer("/metrics")

    control.leave()
    assert status == 200
    assert 'django_sqs_outbox_messages{queue="plain",state="waiting"} 2.0' in text
    assert 'django_sqs_outbox_messages{queue="plain",state="failed"} 1.0' in text
    [age] = [line for line in text.splitlines() if line.startswith("django_sqs_outbox_age")]
    assert 1_000 <= float(age.split()[-1]) < 1_100


def test_a_metric_that_fails_costs_no_other(db, monkeypatch):
    pytest.importorskip("prometheus_client")
    monkeypatch.setitem(metrics._offers, ("django_sqs.outbox", ""), lambda: 1 / 0)
    stats = SharedStats(["plain"], 1)
    control = ControlServer(("127.0.0.1", 0), stats, Readiness(stats, [["plain"]]))

    status, _, text = control.answer("/metrics")

    control.leave()
    assert status == 200
    assert "django_sqs_messages_received" in text


SCRIPT = """
import functools
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from datetime import timedelta
from django.test import Client, override_settings
from django.utils import timezone
import django_sqs
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.tickets.models import UniqueKey

User.objects.create_superuser("root", password="root")
reader = User.objects.create_user("reader", password="reader", is_staff=True)
reader.user_permissions.add(Permission.objects.get(codename="view_outboxmessage"))
FAR = timezone.now() + timedelta(days=10_000)
LIST = "/admin/django_sqs_outbox/outboxmessage/"

@functools.cache
def client(name):
    client = Client(SERVER_NAME="localhost")
    assert client.login(username=name, password=name)
    return client

def act(name, action, *rows):
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], "post": "yes"}
    return client(name).post(LIST, chosen, follow=True)

def row(body):
    return OutboxMessage.objects.get(body=body)

for body in ("failed", "waiting", "postponed"):
    django_sqs.send("plain", body=body, outbox=True)
OutboxMessage.objects.filter(body="failed").update(
    failed_at=timezone.now(), refusals=10, error="Nobody wants <it>"
)
OutboxMessage.objects.filter(body="postponed").update(try_after=FAR)

page = client("root").get(LIST).content.decode()
assert "Nobody wants &lt;it&gt;" in page, page
assert client("root").get(LIST, {"state": "failed"}).content.decode().count("field-state") == 1
assert client("root").get(LIST, {"q": "Nobody"}).content.decode().count("field-state") == 1
page = client("reader").get(f"{LIST}{row('failed').pk}/change/").content.decode()
assert "Nobody wants &lt;it&gt;" in page and "<textarea" not in page, page

PAGE = f"{LIST}{row('postponed').pk}/change/"
assert ">postponed<" in client("reader").get(PAGE).content.decode()
for mask, shown in ((lambda queue, text: queue + text[:4], "plainpost"), (len, "(not shown)")):
    with override_settings(SQS_MASK=mask):
        page = client("reader").get(PAGE).content.decode()
    assert shown in page and ">postponed<" not in page, page

act("reader", "send_again", row("failed"))
assert row("failed").failed_at, "who may only read has sent it again"
page = act("root", "send_again", row("failed"), row("waiting"), row("postponed"))
assert "To be sent again: 2 messages" in page.content.decode()
assert (row("failed").failed_at, row("failed").refusals, row("failed").error) == (None, 0, "")
assert row("postponed").try_after is None

claimed = {"claimed_until": timezone.now() + timedelta(seconds=100)}
OutboxMessage.objects.filter(body="postponed").update(**claimed)
page = act("root", "set_aside", row("waiting"), row("postponed"))
assert "Set aside as failed: 1 message." in page.content.decode()
assert row("waiting").error == "Set aside by root" and row("waiting").failed_at
assert row("postponed").state == "being sent"
act("root", "delete_selected", row("waiting"))
assert not OutboxMessage.objects.filter(body="waiting").exists()
told = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
assert told[:3] == ["Sent again.", "Sent again.", "Set aside."], told

def keyed(body, key):
    sent = django_sqs.send("plain", None, "big", body=body, unique=key, unique_for=60, outbox=True)
    return sent.sent

assert keyed("one", "a") and keyed("two", "b") and keyed("three", "c") and not keyed("four", "a")
OutboxMessage.objects.filter(body="three").update(**claimed)
act("root", "delete_selected", row("one"), row("three"))
client("root").post(f"{LIST}{row('two').pk}/delete/", {"post": "yes"})
assert not OutboxMessage.objects.filter(body__in=["one", "two", "three"]).exists()
assert keyed("one", "a") and keyed("two", "b"), "what was deleted has its key"
assert not keyed("three", "c"), "it was being sent"

KEYS = "/admin/django_sqs_tickets/uniquekey/"
page = client("root").get(KEYS, {"q": " b "}).content.decode()
assert page.count("field-ticket_id") == 1 and str(row("two").uid) in page, page
chosen = {"action": "delete_selected", "post": "yes"}
key = UniqueKey.objects.get(ticket_id=row("two").uid)
client("root").post(KEYS, {**chosen, "_selected_action": [key.pk]}, follow=True)
assert keyed("two again", "b")
assert keyed("spaced", " c ")
page = client("root").get(KEYS, {"q": " c "}).content.decode()
assert page.count("field-ticket_id") == 2, "a key is found with its spaces, and without them"
assert str(row("one").uid) in client("root").get(f"{KEYS}?q={row('one').uid}").content.decode()

ReceivedMessage.objects.create(queue="q", message_id="the-id")
page = client("root").get("/admin/django_sqs_inbox/receivedmessage/", {"q": "the-id"})
assert page.content.decode().count("field-message_id") == 1
print("AS IT SHOULD BE")
"""


def test_the_admin_shows_sends_again_sets_aside_deletes_and_frees_keys(project):
    project.env["TEST_ADMIN"] = "yes"
    project.database.unlink(missing_ok=True)
    project.migrate()

    done = project.run("shell", "-c", SCRIPT)

    assert "AS IT SHOULD BE" in done.output, done.output


@pytest.mark.django_db(transaction=True)
def test_a_person_changes_thousands_of_rows_by_a_few_statements(django_assert_max_num_queries):
    from django_sqs.outbox import claims

    OutboxMessage.objects.bulk_create(
        OutboxMessage(queue_name="plain", body="x", failed_at=timezone.now()) for _ in range(1_200)
    )
    for change in (claims.send_again, lambda rows: claims.set_aside(rows, "in the way")):
        with django_assert_max_num_queries(30):
            changed = list(change(written(OutboxMessage)))

        assert [len(rows) for rows in changed] == [500, 500, 200]
        # All of them would be in memory at once.
        assert all("body" in row.get_deferred_fields() for rows in changed for row in rows)
        assert list(change(written(OutboxMessage))) == []


@pytest.mark.django_db(transaction=True)
def test_what_is_sent_again_is_sent(attached, bodies):
    from django_sqs.outbox import claims

    django_sqs.send("plain", body="x", outbox=True)
    [row] = OutboxMessage.objects.all()
    assert [*claims.set_aside(written(OutboxMessage), "in the way")] == [[row]]
    assert Relay().send_all() == 0

    assert [*claims.send_again(written(OutboxMessage))] == [[row]]

    assert Relay().send_all() == 1
    assert bodies("plain") == ["x"]
