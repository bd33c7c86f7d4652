"""Enqueuing: after the commit, in tests, and from coroutines."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from django.db import router, transaction

from django_sqs.results.models import TaskRecord

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
