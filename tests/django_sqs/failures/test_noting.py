"""What is noted of failed deliveries, and what is not."""

import json
import logging
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import OperationalError, connections, router
from django.utils import timezone

import django_sqs
from django_sqs.failures.apps import FailuresConfig
from django_sqs.failures.counting import gauges
from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.failures.noted import failed_with
from django_sqs.signals import failure_noted
from django_sqs_kombu import RawMessage, RestartLater
from django_sqs_kombu.events import S3Event
from django_sqs_kombu.exceptions import EnvironmentFailure

from ...django_sqs_kombu.events import samples
from ..checked import problems

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


class Rejected(Exception):
    pass


def failing(message):
    raise Rejected(f"no {message.get_body()}")


def test_a_failed_message_is_kept_with_all_that_is_known_of_it(work):
    django_sqs.register("f1", failing)
    django_sqs.send("f1", body="one", attributes={"tenant": "acme"})

    work("f1")

    [row] = Failure.objects.all()
    assert (row.state, row.queue_name, row.text) == (State.WAITING, "f1", "one")
    assert row.full_name.endswith("__f1")
    assert row.error == "no one"
    assert row.error_class.endswith("Rejected")
    assert 'raise Rejected(f"no {message.get_body()}")' in row.traceback
    assert row.attributes["tenant"]["StringValue"] == "acme"
    assert row.receive_count == 1
    assert row.sent_at <= row.failed_at
    assert row.worker


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Los_Angeles"])
def test_a_failure_is_kept_where_times_have_no_zone(work, settings, zone):
    settings.USE_TZ, settings.TIME_ZONE = False, zone
    django_sqs.register("f1", failing)
    django_sqs.send("f1", body="one")

    work("f1")

    [row], [group] = Failure.objects.all(), FailureGroup.objects.all()
    for moment in (row.sent_at, row.failed_at, group.first_seen, group.last_seen):
        assert abs(timezone.now() - moment) < timedelta(minutes=2)


def test_each_failure_is_told_and_counted_once(work, eventually):
    told = []

    def note(sender, queue, failure, **kwargs):
        told.append((queue.name, failure.pk, failure.text))

    failure_noted.connect(note)
    try:
        django_sqs.register("f1a", failing)
        for body in ("one", "two"):
            django_sqs.send("f1a", body=body)
        work("f1a")
        eventually(lambda: len(told) == 2)
    finally:
        failure_noted.disconnect(note)

    assert {(name, text) for name, _, text in told} == {("f1a", "one"), ("f1a", "two")}
    assert {key for _, key, _ in told} == {row.pk for row in Failure.objects.all()}
    [gauge] = gauges()
    assert gauge.values == {("f1a",): 2.0}


def test_failures_that_are_alike_are_one_group(work):
    def other(message):
        raise Rejected("another place")

    def both(message):
        (other if message.get_body() == "other" else failing)(message)

    django_sqs.register("f2", both)
    for body in ("1", "2", "3", "other"):
        django_sqs.send("f2", body=body)

    work("f2")

    groups = list(FailureGroup.objects.order_by("-seen"))
    assert [(group.seen, group.waiting) for group in groups] == [(3, 3), (1, 1)]
    assert groups[0].first_seen <= groups[0].last_seen


@pytest.mark.parametrize(
    "raised", [RestartLater(), EnvironmentFailure("away"), OperationalError("the database is away")]
)
def test_what_is_no_failure_of_a_message_is_not_noted(work, raised):
    def receive(message):
        raise raised

    django_sqs.register("f3", receive)
    django_sqs.send("f3", body="x")

    work("f3", most=1)

    assert not Failure.objects.exists()


class Reading(RawMessage):
    def decode(self, value):
        raise OperationalError("the database is away")


def test_nor_is_what_a_message_class_cannot_read_since_a_database_is_away(work):
    django_sqs.register("f3a", print, message_class=Reading)
    django_sqs.send("f3a", body="x")

    work("f3a", most=1)

    assert not Failure.objects.exists()


def test_nor_is_what_a_project_tries_again_of_what_keeps_it_from_connecting(work, settings):
    settings.SQS_RETRY_ON = [PermissionError]
    default = connections["default"]

    class Asking(type(default)):
        def get_new_connection(self, params):
            raise PermissionError("AWS did not tell the password")

    def receive(message):
        Asking(default.settings_dict, "default").ensure_connection()

    django_sqs.register("f3b", receive)
    django_sqs.send("f3b", body="x")

    work("f3b", most=1)

    assert not Failure.objects.exists()


def test_what_stays_in_sqs_is_told_apart(work):
    django_sqs.register("f4", failing, dead_letter_queue="f4-dead", max_receives=3)
    django_sqs.send("f4", body="x")

    work("f4", most=1)

    assert [row.state for row in Failure.objects.all()] == [State.IN_QUEUE]
    assert FailureGroup.objects.get().waiting == 0


def test_what_cannot_be_decoded_is_kept(work, sqs, site):
    class Strict(RawMessage):
        def decode(self, text):
            raise ValueError("not of our form")

    django_sqs.register("f5", failing, message_class=Strict, wire_format="raw")
    django_sqs.send("f5", body="x")

    work("f5", most=1)

    [row] = Failure.objects.all()
    assert "not of our form" in row.error


def test_odd_characters_are_stored(work):
    def receive(message):
        raise Rejected("a \0 here")

    django_sqs.register("f6", receive)
    django_sqs.send("f6", body="nul")

    work("f6")

    row = Failure.objects.get()
    assert "\0" not in row.error + row.traceback


def test_a_message_is_not_deleted_before_its_note_is_written(work, counts, prefix, monkeypatch):
    django_sqs.register("f7", failing)
    django_sqs.send("f7", body="x")
    tries = []

    def away(using, contents):
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the database is away")
        return write(using, contents)

    from django_sqs.failures import writing

    write = writing.write_all
    monkeypatch.setattr(writing, "write_all", away)

    work("f7")

    assert len(tries) == 3
    assert counts(f"{prefix}__f7") == (0, 0, 0)
    assert Failure.objects.count() == 1


def test_without_tables_messages_go_their_way(work, counts, prefix, caplog):
    django_sqs.register("f8", failing)
    django_sqs.send("f8", body="x")
    models = (Failure, FailureGroup)
    connection = connections[router.db_for_write(Failure)]
    with connection.schema_editor() as editor:
        for model in models:
            editor.delete_model(model)
    try:
        with caplog.at_level(logging.ERROR):
            work("f8")
        assert counts(f"{prefix}__f8") == (0, 0, 0)
        assert "cannot be stored" in caplog.text
    finally:
        with connection.schema_editor() as editor:
            for model in reversed(models):
                editor.create_model(model)


def test_nor_do_they_wait_for_a_column(work, counts, prefix, caplog):
    django_sqs.register("f8b", failing)
    django_sqs.send("f8b", body="x")
    connection = connections[router.db_for_write(Failure)]

    def rename(old, new):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {Failure._meta.db_table} RENAME COLUMN {old} TO {new}")

    rename("trace", "put_aside")
    try:
        with caplog.at_level(logging.ERROR):
            work("f8b")
        assert counts(f"{prefix}__f8b") == (0, 0, 0)
        assert "1 failures cannot be stored. Run manage.py migrate" in caplog.text
    finally:
        rename("put_aside", "trace")


def test_bodies_can_be_masked_and_kept_out(work, monkeypatch):
    django_sqs.register("f9", failing)
    monkeypatch.setattr(FailuresConfig, "mask", lambda queue, text: f"{queue}: {text[0]}***")
    django_sqs.send("f9", body="4111111111111111")
    work("f9")
    monkeypatch.setattr(FailuresConfig, "keep_body", False)
    django_sqs.send("f9", body="4222222222222222")
    work("f9")

    masked, without = Failure.objects.order_by("pk")
    assert masked.text == "f9: 4***"
    assert "4111111111111111" in masked.body
    assert (without.text, without.body) == ("", "")


@pytest.mark.parametrize("masked", [5, ["4111"], b"4111", None])
def test_a_mask_that_returns_no_text_shows_nothing_and_costs_no_failure(work, monkeypatch, masked):
    django_sqs.register("f9c", failing)
    monkeypatch.setattr(FailuresConfig, "mask", lambda queue, text: masked)
    django_sqs.send("f9c", body="4111")
    work("f9c")

    assert Failure.objects.get().text == ""


@pytest.mark.parametrize("mask", [lambda self, queue, text: text, "no.such.mask", len])
def test_a_mask_of_the_app_that_cannot_be_called_is_told(monkeypatch, mask):
    monkeypatch.setattr(FailuresConfig, "mask", mask)

    [error] = problems()

    assert error.id == "django_sqs.E010"
    assert "FailuresConfig: mask must be a function" in error.msg


def hide(queue, text):
    if text == "odd":
        raise LookupError(text)
    return f"{queue}: {text[:1]}***"


def test_one_setting_masks_failures_and_logs(work, site, caplog):
    site.SQS_MASK = f"{__name__}.hide"
    django_sqs.register("f9b", lambda message: 1 / 0)
    for body in ("4111111111111111", "odd"):
        django_sqs.send("f9b", body=body)
    work("f9b")

    assert {row.text for row in Failure.objects.all()} == {"f9b: 4***", ""}
    assert "f9b: 4***" in caplog.text
    assert "4111111111111111" not in caplog.text
    assert "'odd'" not in caplog.text
    # What is masked would be sent so, if it were edited.
    assert apps.get_app_config("django_sqs_failures").masks


def test_a_receiver_that_succeeds_costs_no_query(work, django_assert_num_queries):
    django_sqs.register("f10", lambda message: None)
    django_sqs.send("f10", body="x")

    with django_assert_num_queries(0):
        work("f10")


@pytest.mark.parametrize("dead", [None, "dead"])
def test_a_record_that_sqs_refuses_is_kept_as_the_record_that_it_is(work, server, dead):
    seen = []
    queue = django_sqs.register(
        "uploads",
        lambda message: seen.append(message.key),
        message_class=S3Event,
        dead_letter_queue=dead,
    )
    queue.send(body=samples.s3_of("a", "bad", "worse"))
    refused = [(place, "InvalidParameterValue", True) for place in (1, 2)]
    server.failed_entries["SendMessageBatch", queue.full_name()] = [refused]

    work("uploads")

    assert seen == ["a"]
    rows = Failure.objects.order_by("id")
    assert [json.loads(row.body) for row in rows] == [samples.s3_of("bad"), samples.s3_of("worse")]
    assert {row.state for row in rows} == {State.IN_QUEUE if dead else State.WAITING}
    assert FailureGroup.objects.get().seen == 2


class Failing:
    def db_for_write(self, model, **hints):
        raise RuntimeError("the tenants cannot be asked")


def test_where_no_router_says_where_failures_are_the_rest_is_told(monkeypatch, caplog):
    monkeypatch.setattr("django.db.router.routers", [Failing()])

    assert failed_with("queue", {"id"}) == ""
    assert list(gauges()) == []
    assert "The number of failed messages is unknown: No router says" in caplog.text
