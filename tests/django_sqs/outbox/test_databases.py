"""Rows in the database that they belong to, and what tests see of them."""

import contextlib

import pytest
from django.db import connections, transaction
from django.test import TestCase

import django_sqs
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.testing import SQSTestMixin
from django_sqs_kombu.testing import captured, eager


class Elsewhere:
    """Puts the outbox, and nothing else, into "other"; it is read from "replica"."""

    def db_for_write(self, model, **hints):
        return "other" if model is OutboxMessage else None

    def db_for_read(self, model, **hints):
        return "replica" if model is OutboxMessage else None

    def allow_migrate(self, db, app_label, **hints):
        return None if app_label == "django_sqs_outbox" else db == "default"


SCRIPT = """
import contextlib, sys
from django.core.management import call_command
from django.db import connections, transaction
for alias in connections:
    call_command("migrate", database=alias, verbosity=0, run_syncdb=True)
import django_sqs
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from tests.site.shop.models import Order

with transaction.atomic():
    for _ in range(2):
        django_sqs.send("plain", body="at once", outbox=True)
        django_sqs.send_many("plain", ["at once"], outbox=True)
    # Of a transaction of its own it is a part.
    django_sqs.send("plain", body="third", outbox=True, using="default")
    with contextlib.suppress(KeyError), transaction.atomic("other"):
        django_sqs.send("plain", body="with it", outbox=True)
        raise KeyError
    assert OutboxMessage.objects.using("other").count() == 4
with transaction.atomic("third"):
    django_sqs.send("plain", body="at once", on_commit=True)
    django_sqs.send("plain", body="at once", on_commit=True)
for alias in ("default", "other"):
    OutboxMessage.objects.using(alias).all().delete()
with transaction.atomic(using="third"):
    django_sqs.send("plain", body="third", outbox=True, using="third")
    django_sqs.send_many("plain", ["many"], outbox=True, using="third")
with contextlib.suppress(KeyError), transaction.atomic(using="third"):
    django_sqs.send_many("plain", ["gone"], outbox=True, using="third")
    raise KeyError
django_sqs.send("plain", body="routed", outbox=True)
django_sqs.send_many("plain", ["routed too"], outbox=True)
counts = {alias: OutboxMessage.objects.using(alias).count() for alias in connections}
assert counts == {"default": 0, "other": 2, "third": 2, "replica": 0}, counts
# A replica that lags shows rows that are sent already.
for row in OutboxMessage.objects.using("other"):
    row.save(using="replica", force_insert=True)
relay = Relay()
assert relay.send_all() == 4
assert relay.send_all() == 0
assert OutboxMessage.objects.using("replica").count() == 2
print("AS IT SHOULD BE")
"""

SETTINGS = """
import os
from tests.site.settings import *
DATABASES = {
    alias: {**DATABASES["default"], "NAME": os.path.join(os.environ["FOLDER"], alias)}
    for alias in ("default", "other", "third", "replica")
}
DATABASE_ROUTERS = ["tests.django_sqs.outbox.test_databases.Elsewhere"]
"""


def test_rows_are_written_and_relayed_where_they_belong(project, tmp_path, counts, prefix):
    (tmp_path / "several_databases.py").write_text(SETTINGS)
    project.env["PYTHONPATH"] = f"{tmp_path}:{project.env.get('PYTHONPATH', '')}"

    more = {"DJANGO_SETTINGS_MODULE": "several_databases", "DB": "", "FOLDER": str(tmp_path)}
    done = project.run("shell", "-c", SCRIPT, **more)

    assert "AS IT SHOULD BE" in done.output, done.output
    assert counts(f"{prefix}__plain") == (6, 0, 0)
    # Once each, where it stands in a transaction that it is no part of.
    assert done.output.count("in a transaction of database 'default'") == 1
    assert done.output.count("in a transaction of database 'third'") == 1
    assert done.output.count("This is logged once") == 2


def test_replicas_are_not_served(settings):
    settings.DATABASE_ROUTERS = ["tests.django_sqs.outbox.test_databases.Elsewhere"]

    assert outbox_databases()[0] == "other"
    assert "replica" not in outbox_databases()


@pytest.mark.django_db
def test_a_test_sees_what_is_written_into_the_outbox(sqs_outbox):
    with transaction.atomic():
        django_sqs.send("plain", body="one", outbox=True, delay=5)
        assert django_sqs.send_many("plain", ["two"], outbox=True) == 1

    assert [(sent.body, sent.delay) for sent in sqs_outbox] == [("one", 5), ("two", None)]
    # So no relay has anything to send to the real SQS.
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_where_there_are_commits_it_is_seen_at_the_commit():
    alias = outbox_databases()[0]
    with captured(django_sqs.receivers) as sent:
        with contextlib.suppress(KeyError), transaction.atomic(alias):
            django_sqs.send("plain", body="rolled back", outbox=True)
            raise KeyError
        with transaction.atomic(alias):
            django_sqs.send("plain", body="x", outbox=True)
            assert sent == []
        assert [each.body for each in sent] == ["x"]


@pytest.mark.django_db(transaction=True)
def test_rows_that_were_there_before_go_to_the_test_as_well(attached, server, prefix):
    django_sqs.send("plain", body="x", outbox=True)

    with captured(django_sqs.receivers) as sent:
        assert Relay().send_all() == 1

    assert [each.body for each in sent] == ["x"]
    assert not OutboxMessage.objects.exists()
    assert not server.count("SendMessage", f"{prefix}__plain")


@pytest.mark.django_db
def test_eager_mode_receives_what_is_written_into_the_outbox():
    received = []
    django_sqs.register("eager_outbox", lambda message: received.append(message.get_body()))
    try:
        with eager(django_sqs.receivers):
            django_sqs.send("eager_outbox", body="x", outbox=True)
    finally:
        del django_sqs.queues["eager_outbox"]

    assert received == ["x"]


class OutboxTest(SQSTestMixin, TestCase):
    def test_the_mixin_sees_it(self):
        django_sqs.send("plain", body="x", outbox=True)

        self.assertMessageSent("plain", "x", count=1)


@pytest.mark.django_db(transaction=True)
def test_a_database_of_no_kind_is_asked_for_no_rows(attached, monkeypatch, caplog):
    """Django allows ``"default": {}`` where routers have a database for every model."""
    configured = connections.configure_settings({"default": {}})
    monkeypatch.setitem(connections.settings, "empty", configured["default"])
    try:
        assert Relay().send_all() == 0
    finally:
        del connections["empty"]

    assert caplog.records == []
