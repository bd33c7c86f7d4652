"""Tasks on AWS Lambda: their results are written before the function returns."""

import pytest

import django_sqs

from ...event_source import EventSource
from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def invoke(backends, sqs):
    chores.calls.clear()
    handler = django_sqs.lambda_handler()
    source = EventSource(sqs, handler)
    name = django_sqs.receivers.get("tasks-default").full_name()
    yield lambda: source.invoke(name, wait=1)
    handler.close()


def test_a_result_is_written_when_the_function_returns(invoke):
    result = chores.double.enqueue(4)

    assert invoke() == []

    result.refresh()
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 8, 1)


def test_a_task_that_fails_is_tried_as_often_as_in_a_worker(invoke):
    result = chores.fails.enqueue("its fault")
    invocations = 0

    while invoke() is not None:
        invocations += 1

    result.refresh()
    assert (result.status, len(result.errors), invocations) == ("FAILED", 2, 2)
