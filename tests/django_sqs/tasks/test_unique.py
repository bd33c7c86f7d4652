"""@unique: a task is enqueued where no other has its key; else the result is that of the other."""

import asyncio
import contextlib
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, router, transaction

import django_sqs
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay
from django_sqs.results.models import TaskRecord
from django_sqs.results.store import DatabaseStore
from django_sqs.tasks import scheduled, unique
from django_sqs.tasks.framework import task_enqueued
from django_sqs.tasks.schedules import task_schedules
from django_sqs.tasks.unique import unique_tasks
from django_sqs.tickets.models import UniqueKey
from django_sqs_kombu import ConfigurationError, SQSError

from ..checked import problems
from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

IN_ONE_DATABASE = pytest.mark.skipif(
    "router.db_for_write(UniqueKey) != router.db_for_write(OutboxMessage)",
    reason="keys and outbox are in several databases",
)


@pytest.fixture(autouse=True)
def unique_until(backends):
    """Declare chores.double as unique."""

    def declare(until="finished", **options):
        unique(**{"unique_for": 3_600, "unique_until": until, **options})(chores.double)

    declare()
    chores.calls.clear()
    yield declare
    unique_tasks.clear()
    task_schedules.clear()


@pytest.fixture
def waiting(counts, prefix):
    return lambda: counts(f"{prefix}__tasks-default")[0]


def in_block():
    return transaction.atomic(using=router.db_for_write(UniqueKey))


def test_the_second_gets_the_result_of_the_first_until_that_is_finished(receive, waiting):
    first, second = chores.double.enqueue(1), chores.double.enqueue(1)
    other = chores.double.enqueue(2)

    assert second.id == first.id != other.id
    assert second.enqueued_at == first.enqueued_at
    assert waiting() == 2
    receive()
    receive()
    second.refresh()
    assert second.return_value == 2
    assert sorted(chores.calls) == [1, 2]
    assert chores.double.enqueue(1).id != first.id


@pytest.mark.skipif(len(connections.databases) == 1, reason="there is one database")
def test_a_rollback_in_another_database_than_that_of_the_keys_frees_the_key(unique_until):
    keys = router.db_for_write(UniqueKey)
    other = next(alias for alias in connections if alias != keys)
    with (
        transaction.atomic(using=keys),
        contextlib.suppress(KeyError),
        transaction.atomic(using=other),
    ):
        gone = chores.double.enqueue(1)
        raise KeyError

    assert chores.double.enqueue(1).id != gone.id


def test_of_a_key_of_its_own(unique_until):
    unique_until(key=lambda number: str(number % 10))

    first = chores.double.enqueue(1)

    assert chores.double.enqueue(number=11).id == first.id
    assert chores.double.enqueue(2).id != first.id


@pytest.mark.parametrize(
    ("one", "same", "others"),
    [
        (((1,), {}), ((), {"shop": 1}), ((2,), {})),
        (((1,), {}), ((1,), {"full": False}), ((1,), {"full": True})),
        (((1, True), {}), ((), {"full": True, "shop": 1}), ((1, 1), {})),
        (((1,), {"since": {"a": 1, "b": 2}}), ((1,), {"since": {"b": 2, "a": 1}}), ((1,), {})),
        (((1,), {"more": [1]}), ((), {"shop": 1, "more": [1]}), ((1,), {"more": [2]})),
    ],
)
def test_one_call_has_one_key_however_it_is_written(one, same, others):
    for func in (plain, contextual):
        task = replace(chores.double, func=func, takes_context=func is contextual)
        unique(unique_for=60)(task)
        options = unique_tasks[task.module_path].options

        first, second, other = (options(*call)["unique"] for call in (one, same, others))
        assert first == second != other


def plain(shop, full=False, *, since=None, **options):
    """What the call is of."""


def contextual(context, shop, full=False, *, since=None, **options):
    """The same of one with a context."""


def test_one_that_fails_and_is_tried_again_keeps_its_key(receive):
    unique(unique_for=60, unique_until="finished")(chores.fails)
    first = chores.fails.enqueue("no")

    receive()  # It has two attempts.
    assert chores.fails.enqueue("no").id == first.id
    receive()

    assert chores.fails.enqueue("no").id != first.id


def test_until_it_is_started(unique_until, receive, monkeypatch):
    unique_until("started")
    within = []
    monkeypatch.setattr(chores, "calls", Calls(lambda: within.append(chores.double.enqueue(1).id)))
    first = chores.double.enqueue(1)

    receive()

    assert within
    assert within[0] != first.id


class Calls:
    """Does something while a task runs."""

    def __init__(self, then):
        self._then = then

    def append(self, number):
        self._then()


@pytest.mark.parametrize("commits", [True, False])
def test_in_a_transaction_key_and_task_wait_for_the_commit(waiting, commits):
    with contextlib.suppress(KeyError), in_block():
        first, second = chores.double.enqueue(1), chores.double.enqueue(1)
        assert second.id == first.id
        if not commits:
            raise KeyError

    assert UniqueKey.objects.count() == int(commits)
    assert (chores.double.enqueue(1).id == first.id) is commits
    assert waiting() == 1


def test_what_is_not_enqueued_gives_its_key_back():
    chores.double.enqueue(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(django_sqs.receivers, "publish", refuse)
        with pytest.raises(SQSError):
            chores.double.enqueue(1)
        with pytest.raises(SQSError):
            async_to_sync(chores.double.aenqueue)(1)
        with in_block():
            lost = chores.double.enqueue(1)
    lost.refresh()
    assert lost.status == "FAILED"
    assert chores.double.enqueue(1).id != lost.id
    assert UniqueKey.objects.count() == 2


def refuse(*args, **kwargs):
    raise SQSError("SQS is away")


def test_what_a_batch_drops_gives_its_key_back(waiting):
    with contextlib.suppress(KeyError), django_sqs.batch():
        lost = chores.double.enqueue(1)
        raise KeyError

    with django_sqs.batch():
        assert chores.double.enqueue(1).id != lost.id
        chores.double.enqueue(1)
    assert waiting() == 1


def test_coroutines_and_many_at_once_too(backends, waiting):
    first = async_to_sync(chores.double.aenqueue)(1)
    assert async_to_sync(chores.double.aenqueue)(1).id == first.id

    plain = (chores.returns, ["x"], {})
    calls = [(chores.double, [1], {}), plain, (chores.double, [3], {}), (chores.double, [3], {})]
    results = backends["default"].enqueue_many(calls)

    assert results[0].id == first.id
    assert results[2].id == results[3].id
    assert [result.task.name for result in results] == ["double", "returns", "double", "double"]
    assert waiting() == 3


@pytest.mark.parametrize("task", [chores.double, chores.returns], ids=["unique", "another"])
def test_who_is_cancelled_while_it_enqueues_leaves_nothing_half_done(task, waiting, monkeypatch):
    create, given_up, announced = DatabaseStore.create, threading.Event(), []

    async def enqueue():
        loop, enqueuing = asyncio.get_running_loop(), asyncio.ensure_future(task.aenqueue(1))

        def create_late(self, results):
            create(self, results)
            loop.call_soon_threadsafe(enqueuing.cancel)
            given_up.wait(2)

        monkeypatch.setattr(DatabaseStore, "create", create_late)
        with pytest.raises(asyncio.CancelledError):
            await enqueuing
        given_up.set()
        for _ in range(100):
            if announced:
                break
            await asyncio.sleep(0.05)

    def listen(task_result, **kwargs):
        announced.append(task_result.id)

    task_enqueued.connect(listen)
    try:
        async_to_sync(enqueue)()
    finally:
        task_enqueued.disconnect(listen)

    assert len(announced) == waiting() == 1
    record = TaskRecord.objects.using(router.db_for_write(TaskRecord)).get()
    if task is chores.double:
        assert chores.double.enqueue(1).id == record.id


def test_who_enqueues_no_other_announces_none():
    ids = []

    def listen(task_result, **kwargs):
        ids.append(task_result.id)

    task_enqueued.connect(listen)
    try:
        first, _ = chores.double.enqueue(1), chores.double.enqueue(1)
    finally:
        task_enqueued.disconnect(listen)

    assert ids == [first.id]
    assert TaskRecord.objects.using(router.db_for_write(TaskRecord)).count() == 1


@IN_ONE_DATABASE
def test_a_schedule_leaves_out_what_runs_still(waiting, receive):
    scheduled(every=timedelta(hours=1), args=[1])(chores.double)
    [schedule] = task_schedules.values()
    using = router.db_for_write(OutboxMessage)
    noon = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
    for hour in range(2):
        with transaction.atomic(using=using):
            schedule.write_slot(noon + timedelta(hours=hour), using)

    assert Relay().send_all() == 1
    receive()
    with transaction.atomic(using=using):
        schedule.write_slot(noon, using)
    assert Relay().send_all() == 1
    assert waiting() == 1


def test_eager_mode_runs_each(settings):
    settings.SQS_EAGER = True

    first, second = chores.double.enqueue(1), chores.double.enqueue(1)

    assert first.id != second.id
    assert chores.calls == [1, 1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"unique_for": 0}, "unique_for must be above 0"),
        ({"unique_until": "done"}, "'started' or 'finished'"),
        ({"key": "shop"}, "must be a function of the task's arguments, not 'shop'"),
    ],
)
def test_what_cannot_be_is_an_error_where_it_is_declared(unique_until, options, says):
    with pytest.raises(ConfigurationError, match=rf"task \S*chores.double: .*{says}"):
        unique_until(**options)


def test_only_tasks_are_unique():
    with pytest.raises(ConfigurationError, match="above @task"):
        unique(unique_for=60)(lambda: None)


@pytest.mark.parametrize(
    ("key", "says"),
    [(lambda: "x", "failed for the arguments"), (lambda number: number, "return text")],
)
def test_a_key_that_cannot_be_made_is_an_error_and_enqueues_nothing(unique_until, key, says):
    unique_until(key=key)

    with pytest.raises(ConfigurationError, match=rf"chores.double: .*{says}"):
        chores.double.enqueue(1)

    assert not TaskRecord.objects.using(router.db_for_write(TaskRecord)).exists()


def test_a_check_says_that_its_key_has_no_table(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "tickets" not in app]

    [found] = [each for each in problems() if each.id == "django_sqs.E008"]

    assert found.obj == chores.double.module_path
    assert "'django_sqs.tickets' to INSTALLED_APPS" in found.hint
