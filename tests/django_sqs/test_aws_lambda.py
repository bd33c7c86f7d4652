"""The project's receivers on AWS Lambda: database, rows, once, and which queues are whose."""

import asyncio
import os
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections

import django_sqs
from django_sqs.checks import (
    NOT_REGISTERED,
    NOTHING_TICKS,
    check_lambda_queues,
    check_who_ticks,
)
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.message import ModelInstanceMessage
from django_sqs_kombu import RestartLater

from ..event_source import EventSource
from ..site.shop.models import Order

database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source(site, sqs):
    django_sqs.receivers.close()
    handler = django_sqs.lambda_handler()
    yield EventSource(sqs, handler)
    handler.close()
    django_sqs.receivers.close()


def test_an_option_that_there_is_not_is_named_with_those_there_are():
    says = r"lambda_handler\(\) has no option 'nope'; its options are reserve, report"
    with pytest.raises(django_sqs.SQSError, match=says):
        django_sqs.lambda_handler(nope=1)


@database
def test_a_row_is_read_and_written(source):
    def rename(message):
        order = message.get_body()
        order.title += "!"
        order.save()

    queue = django_sqs.register(
        "lambda-rows", rename, message_class=ModelInstanceMessage, models=[Order]
    )
    queue.send(instance=Order.objects.create(title="tea"))

    assert source.invoke(queue.full_name()) == []

    assert Order.objects.get().title == "tea!"


@database
def test_what_is_delivered_twice_has_one_effect(source):
    queue = django_sqs.register(
        "lambda-once", lambda m: Order.objects.create(title=m.get_body()), once=True
    )
    queue.send(body="tea")
    records = source.receive(queue.full_name())

    # As where the function breaks off after its receivers have run.
    source._handler({"Records": records})
    assert source.give(queue.full_name(), records) == []

    assert Order.objects.count() == 1
    assert ReceivedMessage.objects.count() == 1


@database
def test_what_is_restarted_was_rolled_back(source):
    def restart(message):
        Order.objects.create(title="tea")
        raise RestartLater(delay=60)

    queue = django_sqs.register("lambda-restart", restart, once=True)
    queue.send(body="tea")

    assert len(source.invoke(queue.full_name())) == 1

    assert not Order.objects.exists()


@database
def test_an_asynchronous_receiver_uses_the_database(source):
    async def receive(message):
        await Order.objects.acreate(title=message.get_body())

    queue = django_sqs.register("lambda-async", receive, timeout=20)
    queue.send(body="tea")

    assert source.invoke(queue.full_name()) == []

    assert Order.objects.get().title == "tea"


@database
def test_no_message_of_an_asynchronous_receiver_is_lost_to_a_loop_that_runs_already(source):
    received = []

    async def receive(message):
        received.append(message.get_body())

    queue = django_sqs.register("lambda-in-a-loop", receive)
    queue.send(body="tea")
    records = source.receive(queue.full_name())

    async def handler():
        return source.give(queue.full_name(), records)

    assert asyncio.run(handler()) == [records[0]["messageId"]]
    assert source.give(queue.full_name(), records) == []
    assert received == ["tea"]


@database
@pytest.mark.parametrize(("kept", "closed"), [(0, True), (600, False)])
def test_connections_are_kept_as_between_requests(source, monkeypatch, kept, closed):
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", kept)
    calls = []
    # SQLite's in memory, as in tests, is never closed.
    monkeypatch.setattr(type(connections["default"]), "close", lambda self: calls.append(self))
    queue = django_sqs.register("lambda-age", lambda m: Order.objects.count())
    left_open = connection.connection
    connections["default"].connect()
    if left_open is not None:
        left_open.close()
    queue.send(body="x")

    source.invoke(queue.full_name())

    assert (connections["default"] in calls) == closed


#: What a session asks for its own number, and another does to end it.
ENDS = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
}


def end_from_elsewhere():
    own, end = ENDS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(own)
        number = cursor.fetchone()[0]
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute(end.format(number))
    other.close()


@pytest.mark.skipif(connection.vendor not in ENDS, reason="there is no server that ends it")
@pytest.mark.skipif(os.environ.get("DB") == "pgbouncer", reason="both have the server's one")
@database
def test_a_connection_that_broke_between_invocations_costs_no_message(
    source, monkeypatch, eventually
):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    seen = []
    queue = django_sqs.register("lambda-broken", lambda m: seen.append(Order.objects.count()))
    queue.send(body="x")
    assert source.invoke(queue.full_name()) == []
    queue.send(body="y")
    # The server has ended it while the process was stopped; its clock was, too.
    end_from_elsewhere()

    failed = source.invoke(queue.full_name())
    if failed and os.environ.get("DB") == "pool":
        # Whoever keeps it hands it out once more: the message comes again.
        eventually(lambda: source.invoke(queue.full_name()) == [] and len(seen) == 2)
    else:
        assert failed == []

    assert seen == [0, 0]


def test_wrong_settings_are_told_when_the_handler_is_made(settings):
    settings.SQS_QUEUE_PREFIX = 5

    with pytest.raises(ImproperlyConfigured, match="SQS_QUEUE_PREFIX"):
        django_sqs.lambda_handler()


def test_runreceiver_refuses_a_queue_that_is_left_to_lambda(settings):
    settings.SQS_LAMBDA_QUEUES = ["plain"]

    with pytest.raises(CommandError, match="'plain' is left to AWS Lambda"):
        call_command("runreceiver", "plain")


def test_runreceiver_has_nothing_to_do_where_all_is_left_to_lambda(settings):
    settings.SQS_LAMBDA_QUEUES = list(django_sqs.queues)

    with pytest.raises(CommandError, match="leaves every queue to AWS Lambda"):
        call_command("runreceiver")


def test_runreceiver_receives_from_the_others(settings):
    from django_sqs.management.commands.runreceiver import Command

    every = {queue.name for queue in Command()._queues([])}
    settings.SQS_LAMBDA_QUEUES = ["plain"]

    assert {queue.name for queue in Command()._queues([])} == every - {"plain"}


def test_a_name_that_nobody_registered_is_warned_of(settings):
    settings.SQS_LAMBDA_QUEUES = ["plain", "plian"]

    [warning] = check_lambda_queues(None)

    assert warning.id == NOT_REGISTERED
    assert "'plian'" in warning.msg


@pytest.mark.parametrize("value", ["plain", [5], None])
def test_the_setting_is_a_list_of_names(settings, value):
    settings.SQS_LAMBDA_QUEUES = value

    with pytest.raises(ImproperlyConfigured, match="SQS_LAMBDA_QUEUES must be a list"):
        django_sqs.lambda_handler()


def test_schedules_that_nothing_ticks_are_warned_of(settings):
    queues = dict(django_sqs.receivers.queues)
    django_sqs.register("hourly", print, every=timedelta(hours=1))
    try:
        settings.SQS_LAMBDA_QUEUES = list(django_sqs.receivers.queues)
        [warning] = check_who_ticks(None)
        settings.SQS_LAMBDA_QUEUES = ["hourly"]
        others = check_who_ticks(None)
    finally:
        django_sqs.receivers.queues.clear()
        django_sqs.receivers.queues.update(queues)

    assert warning.id == NOTHING_TICKS
    assert "hourly" in warning.msg
    assert others == []
