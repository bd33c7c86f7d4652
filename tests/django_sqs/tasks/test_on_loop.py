"""Asynchronous tasks together on one event loop, as under ``runreceiver --coroutines``."""

import threading
import time

import pytest
from django.db import OperationalError

import django_sqs
from django_sqs.results.models import TaskRecord
from django_sqs.tasks.wire import body_of
from django_sqs_kombu import ReceiverConsumer

from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def on_loop(backends, site):
    """The default backend's tasks run on a loop."""
    options = {"coroutines": True, "max_attempts": 2, "timeout": 5}
    site.TASKS = {**site.TASKS, "default": {**site.TASKS["default"], "OPTIONS": options}}
    backends["default"].register_queues(django_sqs.receivers)
    return options


@pytest.fixture
def run(on_loop, eventually):
    """Run what is enqueued until that is so; return how long it took."""

    def run(done, **options):
        queue = django_sqs.receivers.get("tasks-default")
        consumer = ReceiverConsumer(django_sqs.receivers, [queue], coroutines=100, **options)
        thread = threading.Thread(target=consumer.run, daemon=True)
        began = time.monotonic()
        thread.start()
        try:
            eventually(done, timeout=30)
            return time.monotonic() - began
        finally:
            consumer.stop()
            thread.join(20)
            assert not thread.is_alive(), "it does not end"

    return run


def have_ended(*results):
    """Whether the results say so, with no message left."""
    ended = TaskRecord.objects.filter(status__in=["SUCCESSFUL", "FAILED"])
    ids = [result.id for result in results]

    def have_ended():
        try:
            return ended.filter(pk__in=ids).count() == len(ids)
        except OperationalError:
            # SQLite in memory, which threads share, waits for no lock of another's.
            return False

    return have_ended


def of(result):
    result.refresh()
    errors = [error.exception_class_path for error in result.errors]
    return result.status, result._return_value, errors


def test_they_run_together_each_with_its_own_result_and_context(run, counts, prefix):
    results = [chores.waits.enqueue(0.4, number) for number in range(40)]

    took = run(have_ended(*results))

    # One after the other they would take 16 s.
    assert took < 12

    assert [of(result) for result in results] == [
        ("SUCCESSFUL", [number, number, "sqs-loop"], []) for number in range(40)
    ]
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


def test_one_that_fails_is_tried_again_and_one_too_long_is_cancelled(
    run, on_loop, site, counts, prefix
):
    on_loop["timeout"] = 0.3
    site.TASKS = {**site.TASKS}
    fails, late = chores.fails_at_first.enqueue("no"), chores.waits.enqueue(60, 1)

    run(have_ended(fails, late))

    assert of(fails) == ("SUCCESSFUL", 2, ["builtins.ValueError"])
    status, _, errors = of(late)
    assert (status, errors) == ("FAILED", ["django_sqs_kombu.exceptions.TimedOut"] * 2)
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


def test_a_synchronous_one_runs_in_a_thread_for_calls(run):
    chores.calls.clear()
    result = chores.in_a_thread.enqueue()

    run(have_ended(result))

    status, thread, _ = of(result)
    assert (status, chores.calls) == ("SUCCESSFUL", [False])
    assert thread.startswith("sqs-call")


def test_one_that_is_cut_off_at_a_stop_is_ready_and_given_back(run, counts, prefix):
    result = chores.waits.enqueue(60, 1)

    run(lambda: TaskRecord.objects.filter(status="RUNNING").exists(), grace_period=0.3)

    assert of(result)[::2] == ("READY", [])
    assert counts(f"{prefix}__tasks-default") == (1, 0, 0)


def test_a_message_that_comes_twice_is_run_once(run, counts, prefix):
    result = chores.waits.enqueue(0, 1)
    run(have_ended(result))
    django_sqs.send("tasks-default", body=body_of(result))
    TaskRecord.objects.update(return_value="as it was")
    run(lambda: counts(f"{prefix}__tasks-default") == (0, 0, 0))

    assert of(result) == ("SUCCESSFUL", "as it was", [])
