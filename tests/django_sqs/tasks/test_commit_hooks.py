"""Commits that tasks wait for: behind a callback that raises, and of several databases."""

import contextlib

import pytest
from django.db import connections, router, transaction

import django_sqs
from django_sqs.results.models import TaskRecord

from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
several = pytest.mark.skipif(len(connections.databases) == 1, reason="there is one database")


def fail():
    raise LookupError("the site's own callback")


@pytest.fixture
def enqueued(backends, counts, prefix):
    chores.double.enqueue(0)
    return lambda: counts(f"{prefix}__tasks-default")[0] - 1


@pytest.fixture
def using():
    return router.db_for_write(TaskRecord)


@pytest.fixture
def other(using):
    return next(alias for alias in connections if alias != using)


def test_a_callback_of_the_site_that_raises_keeps_no_task_from_being_enqueued(enqueued, using):
    def commit():
        with transaction.atomic(using=using):
            transaction.on_commit(fail, using=using)
            chores.double.enqueue(1)
            with contextlib.suppress(KeyError), transaction.atomic(using=using):
                chores.double.enqueue(2)
                raise KeyError
            with django_sqs.batch():
                chores.double.enqueue(3)

    with pytest.raises(LookupError, match="the site's own"):
        commit()

    assert enqueued() == 2


@several
def test_a_task_is_not_enqueued_where_one_of_its_transactions_is_rolled_back(
    enqueued, using, other
):
    before = TaskRecord.objects.using(using).count()
    with transaction.atomic(using=using):
        with contextlib.suppress(KeyError), transaction.atomic(using=other):
            chores.double.enqueue(1)
            raise KeyError
        chores.double.enqueue(2)

    assert enqueued() == 1
    assert TaskRecord.objects.using(using).count() == before + 1


@several
def test_a_task_is_not_enqueued_where_a_savepoint_of_another_database_is_rolled_back(
    enqueued, using, other
):
    before = TaskRecord.objects.using(using).count()
    with (
        transaction.atomic(using=other),
        transaction.atomic(using=using),
        contextlib.suppress(KeyError),
        transaction.atomic(using=other),
    ):
        chores.double.enqueue(1)
        raise KeyError

    assert enqueued() == 0
    assert TaskRecord.objects.using(using).count() == before


@several
@pytest.mark.parametrize("many", [False, True])
def test_a_task_leaves_no_result_where_the_last_of_its_transactions_is_rolled_back(
    enqueued, using, other, many
):
    before = TaskRecord.objects.using(using).count()
    with contextlib.suppress(KeyError), transaction.atomic(using=other):
        with transaction.atomic(using=using):
            if many:
                chores.double.get_backend().enqueue_many([(chores.double, [1], {})] * 2)
            else:
                chores.double.enqueue(1)
        raise KeyError

    assert enqueued() == 0
    assert TaskRecord.objects.using(using).count() == before


@several
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("batch", [django_sqs.batch, contextlib.nullcontext])
def test_a_task_is_enqueued_when_both_of_its_transactions_are_committed(
    enqueued, using, other, turned, batch
):
    outer, inner = (other, using) if turned else (using, other)
    with transaction.atomic(using=outer):
        with transaction.atomic(using=inner), batch():
            chores.double.enqueue(1)
        assert enqueued() == 0

    assert enqueued() == 1


@several
def test_a_batch_in_a_savepoint_of_another_database_sends_what_was_enqueued_outside_of_it(
    enqueued, using, other
):
    with transaction.atomic(using=using), transaction.atomic(using=other):
        batch = django_sqs.batch()
        batch.__enter__()
        chores.double.enqueue(1)
        with contextlib.suppress(KeyError), transaction.atomic(using=other):
            chores.double.enqueue(2)
            batch.__exit__(None, None, None)
            raise KeyError

    assert enqueued() == 1
