"""Tasks in a batch(): ten to a request; announced when SQS has them, failed where it has not."""

import asyncio
import contextlib

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction

import django_sqs
from django_sqs.results.models import TaskRecord
from django_sqs.tasks.framework import TaskResultDoesNotExist, task_enqueued
from django_sqs_kombu import BatchFailed, MessageTooLarge, SendManyFailed

from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def announced():
    """The ids of tasks that were announced as enqueued."""
    ids = []

    def listen(task_result, **kwargs):
        ids.append(task_result.id)

    task_enqueued.connect(listen)
    yield ids
    task_enqueued.disconnect(listen)


@pytest.fixture
def requests(server, prefix):
    return lambda: (
        server.count("SendMessage", f"{prefix}__tasks-default")
        + server.count("SendMessageBatch", f"{prefix}__tasks-default")
    )


def test_tasks_are_sent_ten_to_a_request_and_announced_then(
    backends, requests, announced, counts, prefix
):
    with django_sqs.batch():
        results = [chores.double.enqueue(number) for number in range(15)]
        results += backends["default"].enqueue_many(
            (chores.double, [number], {}) for number in range(5)
        )
        assert not announced

    assert requests() == 2
    assert announced == [result.id for result in results]
    assert counts(f"{prefix}__tasks-default") == (20, 0, 0)


@pytest.mark.parametrize("outer", ["batch", "transaction"])
def test_at_a_commit_too(backends, requests, announced, outer):
    if outer == "batch":
        with django_sqs.batch():
            for number in range(10):
                with transaction.atomic():
                    chores.double.enqueue(number)
            assert requests() == 0
    else:
        with transaction.atomic():
            with django_sqs.batch():
                for number in range(10):
                    chores.double.enqueue(number)
            assert requests() == 0

    assert requests() == 1
    assert len(announced) == 10
    assert TaskRecord.objects.count() == 10


def test_tasks_of_a_block_that_fails_are_forgotten_and_those_committed_are_enqueued(
    backends, requests, announced
):
    with contextlib.suppress(KeyError), django_sqs.batch():
        gone = chores.double.enqueue(1)
        with transaction.atomic():
            kept = chores.double.enqueue(2)
        raise KeyError

    assert announced == [kept.id]
    with pytest.raises(TaskResultDoesNotExist):
        gone.refresh()


def test_a_task_that_is_refused_at_the_end_is_forgotten_and_named(
    backends, announced, server, prefix
):
    chores.double.enqueue(0)
    server.failed_entries["SendMessageBatch", f"{prefix}__tasks-default"] = [
        [(1, "InvalidMessageContents", True)]
    ]

    def block():
        with django_sqs.batch():
            return [chores.double.enqueue(number) for number in range(3)]

    with pytest.raises(BatchFailed) as caught:
        block()

    assert caught.value.sent == 2
    assert len(announced) == 3
    assert TaskRecord.objects.filter(status="READY").count() == 3


def test_a_task_that_is_refused_after_the_commit_has_failed(
    backends, announced, server, prefix, caplog
):
    chores.double.enqueue(0)
    server.failed_entries["SendMessageBatch", f"{prefix}__tasks-default"] = [
        [(1, "InvalidMessageContents", True)]
    ]

    with transaction.atomic(), django_sqs.batch():
        results = [chores.double.enqueue(number) for number in range(3)]

    for result in results:
        result.refresh()
    assert [str(result.status) for result in results] == ["READY", "FAILED", "READY"]
    assert "after the commit" in caplog.text


def test_coroutines_enqueue_in_a_batch(backends, requests, announced):
    async def main():
        async with django_sqs.batch():
            await asyncio.gather(*(chores.double.aenqueue(number) for number in range(10)))
            assert not announced
        # The thread of Django's database code outlives the loop.
        await sync_to_async(connections.close_all)()

    asyncio.run(main())

    assert requests() == 1
    assert len(announced) == 10


def test_in_eager_mode_tasks_run_at_the_end_of_the_block(backends, settings):
    settings.SQS_EAGER = True
    chores.calls.clear()
    with django_sqs.batch():
        chores.double.enqueue(1)
        assert chores.calls == []

    assert chores.calls == [1]


def test_a_task_that_is_too_large_is_forgotten_and_costs_no_other(backends, announced):
    large = "x" * 1_100_000
    with django_sqs.batch():
        with pytest.raises(MessageTooLarge):
            chores.double.enqueue(large)
        with pytest.raises(SendManyFailed) as caught:
            backends["default"].enqueue_many((chores.double, [each], {}) for each in (1, large, 2))

    assert (caught.value.sent, [each.number for each in caught.value.failures]) == (2, [1])
    assert len(announced) == 2
    assert TaskRecord.objects.count() == 2


def test_many_with_large_arguments_are_more_than_one_statement(backends, small_statements):
    large = "x" * 200_000
    results = backends["default"].enqueue_many([(chores.double, [large], {})] * 60)

    assert len(results) == TaskRecord.objects.count() == 60
