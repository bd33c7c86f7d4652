"""@scheduled: tasks that are enqueued at the times of a schedule."""

from datetime import datetime, timedelta, timezone

import django
import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import router, transaction

import django_sqs
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.results.models import TaskRecord
from django_sqs.schedules.firing import database
from django_sqs.schedules.ticker import Ticker
from django_sqs.tasks import scheduled, unique
from django_sqs.tasks.schedules import task_schedules
from django_sqs.tasks.unique import unique_tasks
from django_sqs.tickets.models import UniqueKey
from django_sqs.tickets.store import DatabaseTickets
from django_sqs_kombu.exceptions import ConfigurationError, MessageEncodeError
from django_sqs_kombu.working import ticker_of
from django_sqs_kombu.working.slots import SlotTicker

from ..tasks import chores
from ..tasks.conftest import backends, receive  # noqa: F401 - fixtures

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("backends"),
]

IN_ONE_DATABASE = pytest.mark.skipif(
    "router.db_for_write(UniqueKey) != database()", reason="keys and slots are in several databases"
)
HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
NAME = "tests.django_sqs.tasks.chores.double"


@pytest.fixture(autouse=True)
def schedules():
    yield task_schedules
    task_schedules.clear()
    unique_tasks.clear()


def written():
    return list(OutboxMessage.objects.using(database()).order_by("pk"))


def tick(*moments):
    ticker = Ticker()
    for moment in moments:
        assert ticker.tick(moment)


def test_a_queue_and_a_task_with_schedules_of_one_name_are_told():
    scheduled(every=HOUR, args=[21], name="orders-hourly")(chores.double)
    django_sqs.register("orders-hourly", every=HOUR)
    try:
        found = {each.id: each for each in run_checks(tags=["django_sqs"])}
    finally:
        del django_sqs.receivers.queues["orders-hourly"]

    assert "'orders-hourly' have schedules of the same name" in found["django_sqs.E007"].msg
    assert "name=" in found["django_sqs.E007"].hint


def test_arguments_that_are_no_list_are_refused():
    with pytest.raises(ConfigurationError, match=r"args=\['EUR'\]"):
        scheduled(every=HOUR, args="EUR")(chores.double)


def test_a_task_is_enqueued_once_for_each_slot_and_runs_with_its_arguments(receive):  # noqa: F811
    assert scheduled(every=HOUR, args=[21])(chores.double) is chores.double
    chores.calls.clear()
    tick(NOON + timedelta(minutes=1), NOON + HOUR, NOON + HOUR + timedelta(minutes=1))
    tick(NOON + HOUR + timedelta(minutes=2))
    assert len(written()) == 1
    in_one = router.db_for_write(TaskRecord) == database()
    assert TaskRecord.objects.using(router.db_for_write(TaskRecord)).count() == int(in_one)

    Relay().send_all()
    receive()

    assert chores.calls == [21]
    record = TaskRecord.objects.using(router.db_for_write(TaskRecord)).get()
    assert (record.status, record.return_value) == ("SUCCESSFUL", 42)


def test_a_task_that_cannot_be_enqueued_leaves_no_row_and_harms_no_other(caplog):
    scheduled(every=HOUR, args=[object()], name="broken")(chores.double)
    scheduled(every=HOUR, kwargs={"number": 2})(chores.double)
    ticker = Ticker()
    ticker.tick(NOON + timedelta(minutes=1))

    assert not ticker.tick(NOON + HOUR)

    assert len(written()) == 1
    assert "A slot of broken is not sent" in caplog.text


def test_the_command_lists_and_runs_tasks(capsys):
    scheduled(cron="0 3 * * *", timezone="Europe/Berlin", args=[1])(chores.double)

    call_command("sqs_schedules")
    assert f"{NAME}  0 3 * * * Europe/Berlin" in capsys.readouterr().out
    call_command("sqs_schedules", run=NAME)

    assert len(written()) == 1


def test_without_the_app_a_fifo_queue_keeps_the_first_of_each_slot(settings, monkeypatch):
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django_sqs.schedules"
    ]
    default = {**settings.TASKS["default"], "QUEUES": ["default", "ordered.fifo"]}
    settings.TASKS = {"default": default}
    sent = []
    monkeypatch.setattr(
        django_sqs.receivers, "outlet", lambda queue, _, outgoing: sent.append((queue, outgoing))
    )
    task = chores.double.using(queue_name="ordered.fifo")
    scheduled(every=HOUR, args=[1])(task)
    scheduled(every=HOUR, args=[2], name="another")(task)
    monkeypatch.setattr(SlotTicker, "clock", lambda self: NOON)
    tickers = [ticker_of(task_schedules.values) for _ in range(2)]
    monkeypatch.setattr(SlotTicker, "clock", lambda self: NOON + HOUR)

    assert all(each.tick(NOON + HOUR) for each in tickers)

    assert {queue.name for queue, _ in sent} == {"tasks-ordered.fifo"}
    assert len(sent) == 4
    assert len({outgoing.deduplication_id for _, outgoing in sent}) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"args": [1]}, None),
        ({"args": [1, 2]}, "too many positional arguments"),
        ({}, "missing a required argument"),
        ({"args": [object()]}, "Unsupported type"),
    ],
)
def test_checks_say_of_a_call_that_it_cannot_be_made(options, says):
    scheduled(every=HOUR, **options)(chores.double)

    found = [each for each in run_checks() if each.obj == NAME]

    assert [each.id for each in found] == ([] if says is None else ["django_sqs.E007"])
    assert says is None or says in found[0].msg


@pytest.mark.parametrize("until", ["started", "finished", None])
def test_a_unique_task_is_not_for_slots_that_sqs_may_drop(settings, until):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "schedules" not in app]
    default = {**settings.TASKS["default"], "QUEUES": ["default", "ordered.fifo"]}
    settings.TASKS = {"default": default}
    task = chores.double.using(queue_name="ordered.fifo")
    scheduled(every=HOUR, args=[1])(unique(unique_for=60, unique_until=until)(task))

    found = [each for each in run_checks() if each.obj == NAME]

    assert [each.id for each in found] == (["django_sqs.E007"] if until else [])
    if until:
        assert "add 'django_sqs.schedules' to INSTALLED_APPS" in found[0].msg
        with pytest.raises(MessageEncodeError, match="cannot be combined with deduplication_id"):
            task_schedules[NAME].send_slot(NOON)
        assert not UniqueKey.objects.exists()


@IN_ONE_DATABASE
def test_checks_say_what_keys_a_schedule_needs(settings, monkeypatch):
    scheduled(every=HOUR, args=[1])(unique(unique_for=60)(chores.double))
    assert not [each for each in run_checks() if each.obj == NAME]

    monkeypatch.setattr(DatabaseTickets, "database", "elsewhere")
    [elsewhere] = [each for each in run_checks() if each.obj == NAME]
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "tickets" not in app]
    [without] = [each for each in run_checks() if each.obj == NAME]

    assert "but it is in 'elsewhere': route both to one" in elsewhere.msg
    assert "add 'django_sqs.tickets' to INSTALLED_APPS" in without.msg


@IN_ONE_DATABASE
def test_the_next_slot_of_a_unique_task_in_a_fifo_queue_is_written(settings):
    default = {**settings.TASKS["default"], "QUEUES": ["default", "ordered.fifo"]}
    settings.TASKS = {"default": default}
    task = chores.double.using(queue_name="ordered.fifo")
    scheduled(every=HOUR, args=[1])(unique(unique_for=60, unique_until="finished")(task))

    with transaction.atomic(using=database()):
        task_schedules[NAME].write_slot(NOON, database())
        task_schedules[NAME].write_slot(NOON + HOUR, database())

    [row] = written()
    assert not row.deduplication_id, "its row's is the only one"


def test_checks_say_what_a_schedule_lacks(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "schedules" not in app]
    framework = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
    settings.TASKS = {"default": {"BACKEND": f"{framework}.backends.dummy.DummyBackend"}}
    scheduled(every=HOUR, args=[1])(chores.double)

    found = {each.id: each for each in run_checks() if each.obj == NAME}

    assert set(found) == {"django_sqs.E004", "django_sqs.E007"}
    assert "not django_sqs.tasks.SQSBackend" in found["django_sqs.E007"].msg


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, f"Schedule '{NAME}': give every= or cron="),
        ({"every": timedelta(0)}, f"Schedule '{NAME}': every="),
        ({"every": HOUR, "name": "x" * 201}, "longer than 200"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options, says):
    with pytest.raises(ConfigurationError) as raised:
        scheduled(**options)(chores.double)

    assert says in str(raised.value)


def test_what_is_no_task_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="write it above @task"):
        scheduled(every=HOUR)(len)


def test_two_schedules_of_a_task_need_two_names():
    scheduled(every=HOUR, args=[1])(chores.double)
    scheduled(every=HOUR, args=[2], name="another")(chores.double)

    with pytest.raises(ConfigurationError, match="give one of them another name="):
        scheduled(every=HOUR, args=[3])(chores.double)
    with pytest.raises(ConfigurationError, match="give one of them another name="):
        scheduled(every=HOUR, args=["x"], name="another")(chores.returns)
