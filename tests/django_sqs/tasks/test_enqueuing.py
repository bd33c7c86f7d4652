"""Enqueuing: after the commit, in tests, and from coroutines."""

import asyncio
import contextlib
import copy
import re
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import router, transaction
from django.utils import timezone

import django_sqs
from django_sqs.results.models import TaskRecord
from django_sqs.tasks.framework import InvalidTask, task_backends, task_enqueued
from django_sqs_kombu import SendManyFailed
from django_sqs_kombu.exceptions import ConfigurationError, MessageTooLarge
from django_sqs_kombu.quotas import MAX_MESSAGE_BYTES

from . import chores


@pytest.mark.django_db(databases="__all__")
def test_in_a_test_case_tasks_run_where_the_callbacks_of_the_commit_do(
    backends, settings, django_capture_on_commit_callbacks
):
    using = router.db_for_write(TaskRecord)
    settings.SQS_EAGER = True
    chores.calls.clear()
    with django_capture_on_commit_callbacks(using=using, execute=True):
        done = chores.double.enqueue(2)
        assert chores.calls == []
    # Eager mode raises what a worker logs.
    with (
        pytest.raises(ValueError, match="no"),
        django_capture_on_commit_callbacks(using=using, execute=True),
    ):
        failed = chores.fails.enqueue("no")

    done.refresh()
    failed.refresh()
    assert (chores.calls, done.return_value) == ([2], 4)
    assert (failed.status, len(failed.errors)) == ("FAILED", 2)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_task_that_cannot_be_sent_at_the_commit_has_failed_and_others_are_sent(
    backends, settings, counts, prefix
):
    chores.double.enqueue(0)
    settings.SQS_CREATE_QUEUES = False
    with transaction.atomic():
        # Its queue is not there.
        lost = chores.double.using(queue_name="mail").enqueue(1)
        sent = chores.double.enqueue(2)

    assert status(lost) == "FAILED"
    assert status(sent) == "READY"
    assert counts(f"{prefix}__tasks-default") == (2, 0, 0)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_task_that_is_too_large_raises_before_the_commit(backends, counts, prefix):
    records = TaskRecord.objects.using(router.db_for_write(TaskRecord))
    large = "x" * MAX_MESSAGE_BYTES
    with transaction.atomic():
        with pytest.raises(MessageTooLarge):
            chores.double.enqueue(large)
        with pytest.raises(MessageTooLarge):
            chores.double.get_backend().enqueue_many(
                [(chores.double, [1], {}), (chores.double, [large], {})]
            )
        chores.double.enqueue(2)

    assert records.count() == 1
    assert counts(f"{prefix}__tasks-default") == (1, 0, 0)


def status(result):
    result.refresh()
    return str(result.status)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_tasks_that_are_enqueued_together_share_requests(backends, server, prefix):
    async def enqueue():
        return await asyncio.gather(*(chores.double.aenqueue(n) for n in range(30)))

    # Its database code runs in this thread, with this thread's connection.
    results = async_to_sync(enqueue)()
    name = f"{prefix}__tasks-default"

    assert server.count("SendMessage", name) + server.count("SendMessageBatch", name) < 30
    assert (
        TaskRecord.objects.using(router.db_for_write(TaskRecord))
        .filter(pk__in=[result.id for result in results])
        .count()
        == 30
    )


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_what_fails_at_the_commit_keeps_nothing_else_from_being_done(backends, counts, prefix):
    done = []

    def spoil(task_result, **kwargs):
        if task_result.args == [1]:
            raise LookupError("a listener's own fault")

    with listening(task_enqueued, spoil), transaction.atomic():
        first = chores.double.enqueue(1)
        second = chores.double.enqueue(2)
        transaction.on_commit(lambda: done.append("the site's own"))

    assert done == ["the site's own"]
    assert (status(first), status(second)) == ("READY", "READY")
    assert counts(f"{prefix}__tasks-default") == (2, 0, 0)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_tasks_of_a_commit_after_which_sqs_is_away_have_failed(backends, settings):
    chores.double.enqueue(0)
    settings.SQS_ENDPOINT_URL = "http://127.0.0.1:9"
    django_sqs.receivers.close()
    done = []
    with transaction.atomic():
        lost = chores.double.enqueue(1)
        transaction.on_commit(lambda: done.append("the site's own"))

    assert status(lost) == "FAILED"
    assert done == ["the site's own"]


@contextlib.contextmanager
def listening(signal, listener):
    signal.connect(listener)
    try:
        yield
    finally:
        signal.disconnect(listener)


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_of_many_the_trouble_of_one_queue_is_no_other_queues(backends, settings, counts, prefix):
    chores.double.enqueue(0)
    settings.SQS_CREATE_QUEUES = False
    mail = chores.double.using(queue_name="mail")

    with pytest.raises(SendManyFailed):
        backends["default"].enqueue_many((task, [1], {}) for task in (mail, chores.double))

    assert counts(f"{prefix}__tasks-default") == (2, 0, 0)
    records = TaskRecord.objects.using(router.db_for_write(TaskRecord))
    assert [record.queue_name for record in records.all()] == ["default"] * 2


@pytest.mark.parametrize(
    "calls",
    ["hello", {"task": 1}, None, [(chores.double, (1,), {}), (chores.double, "hello", {})]],
    ids=["text", "mapping", "none", "args"],
)
def test_enqueue_many_does_not_take_a_single_value_to_pieces(backends, sqs_outbox, calls):
    with pytest.raises(ConfigurationError, match="not the single value"):
        backends["default"].enqueue_many(calls)

    assert sqs_outbox == []


@pytest.mark.parametrize("habit", ["delay", "apply_async", "s"])
def test_a_habit_from_celery_is_answered_with_how_to_enqueue(backends, habit):
    double = chores.task(chores.double.func)

    assert not hasattr(double, habit)
    says = f"no {habit}(). To enqueue it, use double.enqueue(...)"
    with pytest.raises(AttributeError, match=re.escape(says)):
        getattr(double, habit)
    with pytest.raises(AttributeError, match="has no attribute 'dealy'"):
        double.dealy(5)
    assert type(copy.copy(double.using(queue_name="mail"))) is type(double)


def test_a_task_for_later_than_sqs_keeps_messages_is_told_so_by_its_own_words(backends):
    later = chores.double.using(run_after=timezone.now() + timedelta(days=15))

    for enqueue in (
        lambda: later.enqueue(1),
        lambda: task_backends["default"].enqueue_many([(later, [1], {})]),
    ):
        with pytest.raises(InvalidTask, match="run_after must be at most 14 days from now"):
            enqueue()


@pytest.mark.parametrize("call", [chores.double, (chores.double,), (chores.double, 1), None])
def test_what_is_no_call_is_told_what_a_call_is(backends, call):
    with pytest.raises(ConfigurationError, match=r"calls, each \(task, args, kwargs\), not"):
        task_backends["default"].enqueue_many([call])
