"""Tasks whose backend has a policy: tries, results and dead letters."""

import sys

import pytest

import django_sqs
from django_sqs.tasks.framework import TaskResultStatus
from django_sqs_kombu.working import Failure

from . import chores

pytestmark = pytest.mark.django_db


@pytest.fixture
def enqueue(site, backends):
    """Enqueue a task of a backend with these options."""

    def enqueue(task, *args, queue="default", **options):
        tasks = dict(site.TASKS)
        tasks["default"] = {
            "BACKEND": tasks["default"]["BACKEND"],
            "QUEUES": [queue],
            "OPTIONS": {"on_commit": False, **options},
        }
        site.TASKS = tasks
        return task.using(queue_name=queue).enqueue(*args)

    return enqueue


def status(result):
    result.refresh()
    return result.status


def dead_letters(sqs, prefix, name="dead"):
    url = sqs.get_queue_url(QueueName=f"{prefix}__{name}")["QueueUrl"]
    return sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])


def test_a_task_has_its_tries_and_then_its_message_is_a_dead_letter(
    enqueue, receive, sqs, prefix, counts
):
    result = enqueue(
        chores.fails,
        "no",
        retry={"on": ValueError, "tries": 3, "backoff": 0},
        dead_letter_queue="dead",
        max_receives=2,
    )
    for _ in range(2):
        assert isinstance(receive(), ValueError)
        assert status(result) == TaskResultStatus.READY
    assert isinstance(receive(), ValueError)

    assert status(result) == TaskResultStatus.FAILED
    assert len(result.errors) == 3
    [letter] = dead_letters(sqs, prefix)
    assert Failure.read(letter["MessageAttributes"]).error == "builtins.ValueError"
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


def test_a_task_that_is_discarded_has_failed(enqueue, receive, counts, prefix):
    result = enqueue(chores.fails, "no", discard=["builtins.ValueError"])

    assert isinstance(receive(), ValueError)

    assert status(result) == TaskResultStatus.FAILED
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


@pytest.mark.parametrize("options", [{}, {"discard": ["tests.django_sqs.tasks.chores.Odd"]}])
def test_a_task_that_raises_what_cannot_be_looked_at_has_failed(
    enqueue, receive, counts, prefix, options
):
    result = enqueue(chores.fails_oddly, max_attempts=1, **options)

    assert receive() is not None

    assert status(result) == TaskResultStatus.FAILED
    assert result.errors[0].exception_class_path == "tests.django_sqs.tasks.chores.Odd"
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no exception groups")
def test_what_fails_in_a_task_group_counts_as_without_one(enqueue, receive):
    result = enqueue(
        chores.fails_in_a_group, "no", retry={"on": ValueError, "tries": 2, "backoff": 0}
    )

    assert isinstance(receive(), ValueError)
    assert status(result) == TaskResultStatus.READY


def test_a_task_without_a_policy_for_its_exception_has_its_attempts(enqueue, receive):
    result = enqueue(chores.fails, "no", max_attempts=2, discard=["builtins.KeyError"])

    assert isinstance(receive(), django_sqs.RestartLater)
    assert status(result) == TaskResultStatus.READY
    assert isinstance(receive(), ValueError)
    assert status(result) == TaskResultStatus.FAILED


def test_the_policy_of_the_project_is_for_tasks_too(site, enqueue, receive):
    site.SQS_RETRY = {"on": "builtins.ValueError", "tries": 2, "backoff": 0}
    result = enqueue(chores.fails, "no")

    assert isinstance(receive(), ValueError)
    assert status(result) == TaskResultStatus.READY
    assert isinstance(receive(), ValueError)
    assert status(result) == TaskResultStatus.FAILED


def test_a_task_goes_on_from_its_cursor(enqueue, receive):
    chores.calls.clear()
    result = enqueue(chores.goes_on)

    for _ in range(3):
        assert isinstance(receive(), django_sqs.Continue)
        assert status(result) == TaskResultStatus.READY
    assert receive() is None

    assert status(result) == TaskResultStatus.SUCCESSFUL
    assert chores.calls == [None, 1, 2, 3]
