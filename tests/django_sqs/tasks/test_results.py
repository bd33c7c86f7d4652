"""The results of tasks: ended before their messages, and always ended."""

import json
import logging
import signal
import time
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, router
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import django_sqs
from django_sqs.results.models import TaskRecord
from django_sqs.tasks.framework import (
    InvalidTask,
    TaskResultDoesNotExist,
    task_finished,
    task_started,
)
from django_sqs.tasks.wire import UnknownTask
from django_sqs_kombu.exceptions import EnvironmentFailure, KilledItsProcess
from django_sqs_kombu.working import Admission
from django_sqs_kombu.working.handling import handle

from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def calls(backends):
    chores.calls.clear()
    return chores.calls


def records(*results):
    written = TaskRecord.objects.using(router.db_for_write(TaskRecord))
    return written.filter(pk__in=[result.id for result in results]) if results else written


def record(result):
    return records(result).get()


def ended(result):
    found = record(result)
    return found.status, [error["exception"] for error in found.errors]


def body(result):
    """What was sent, as a stranger may have read it."""
    from django_sqs.tasks.wire import body_of

    return json.loads(json.dumps(body_of(result)))


def test_a_task_begins_by_one_statement_and_has_ended_when_its_message_is_gone(
    receive, calls, counts, prefix
):
    result = chores.double.enqueue(4)
    with CaptureQueriesContext(connections[router.db_for_write(TaskRecord)]) as queries:
        assert receive() is None

    # MariaDB's "SET" begins a connection.
    verbs = [query["sql"].split()[0] for query in queries]
    assert [verb for verb in verbs if verb != "SET"] == ["SELECT"]
    result.refresh()
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 8, 1)
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


def test_a_task_that_fails_is_tried_again_and_its_errors_are_kept(receive):
    result = chores.fails.enqueue("no")
    assert isinstance(receive(), django_sqs.RestartLater)
    assert ended(result) == ("READY", ["builtins.ValueError"])
    assert isinstance(receive(), ValueError)

    assert ended(result) == ("FAILED", ["builtins.ValueError"] * 2)


@pytest.mark.parametrize("signal_of_tasks", [task_started, task_finished], ids=["start", "end"])
def test_a_listener_that_fails_costs_no_task(signal_of_tasks, receive, counts, prefix, caplog):
    def spoil(task_result, **kwargs):
        raise LookupError("a listener's own fault")

    chores.calls.clear()
    result = chores.double.enqueue(4)
    signal_of_tasks.connect(spoil)
    try:
        assert receive() is None
    finally:
        signal_of_tasks.disconnect(spoil)

    result.refresh()
    assert (chores.calls, result.status, result.return_value) == ([4], "SUCCESSFUL", 8)
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)
    assert "a listener's own fault" in caplog.text


def test_a_task_that_interrupts_itself_has_failed_where_nobody_pressed_ctrl_c(receive):
    result = chores.interrupts.enqueue()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert isinstance(receive(), django_sqs.RestartLater)
        assert isinstance(receive(), RuntimeError)
    finally:
        signal.signal(signal.SIGINT, before)

    assert ended(result) == ("FAILED", ["builtins.KeyboardInterrupt"] * 2)


def test_a_task_that_raises_what_ends_a_generator_has_failed(receive):
    result = chores.fails_like_a_generator.enqueue()
    assert isinstance(receive(), django_sqs.RestartLater)
    with pytest.raises(GeneratorExit):
        receive()

    assert ended(result) == ("FAILED", ["builtins.GeneratorExit"] * 2)


def test_what_a_database_cannot_store_ends_the_result_all_the_same(receive):
    results = [chores.returns.enqueue("a\0b\ud800")]
    receive()
    results.append(chores.fails.enqueue("a\0b"))
    receive(), receive()

    returned, failed = map(record, results)
    assert returned.return_value == {"a\ufffdb\ufffd": ["a\ufffdb\ufffd"]}
    assert failed.status == "FAILED"
    assert "a\ufffdb" in failed.errors[-1]["traceback"]


def test_a_task_that_changes_its_arguments_ends(receive):
    result = chores.changes_its_arguments.enqueue([1])
    receive()

    assert ended(result)[0] == "SUCCESSFUL"


def test_without_the_table_a_task_is_tried_again_and_one_that_ran_ends_later(
    receive, calls, counts, prefix
):
    waits = chores.double.enqueue(1)
    chores.rename("django_sqs_results_taskrecord", "hidden")
    failures = [receive() for _ in range(3)]
    chores.rename("hidden", "django_sqs_results_taskrecord")

    assert all(isinstance(each, EnvironmentFailure) for each in failures)
    assert (calls, ended(waits)) == ([], ("READY", []))
    assert receive() is None
    assert calls == [1]

    ran = chores.hides_the_table.enqueue()
    assert receive() is None
    assert ended(ran) == ("SUCCESSFUL", [])
    assert counts(f"{prefix}__tasks-default") == (0, 0, 0)


def test_a_finished_task_does_not_run_again_and_a_failed_one_fails_again(receive, calls):
    done, failed = chores.double.enqueue(1), chores.fails.enqueue("x")
    receive(), receive(), receive()
    for result in (done, failed):
        django_sqs.send("tasks-default", body=body(result))

    assert sorted([str(receive()), str(receive())])[0] == "None"
    assert calls == [1]
    assert ended(failed) == ("FAILED", ["builtins.ValueError"] * 2)


def test_what_passes_is_no_failed_attempt(receive):
    result = chores.meets_a_lock.enqueue()
    raised = [receive() for _ in range(4)]

    assert [type(each).__name__ for each in raised] == ["OperationalError"] * 3 + ["NoneType"]
    assert ended(result) == ("SUCCESSFUL", [])


# What never ran.


def test_the_result_of_a_task_that_kills_its_process_ends(backends):
    result = chores.double.enqueue(1)
    registered = django_sqs.receivers.get("tasks-default")
    queue = registered.get_queue()
    with django_sqs.receivers.new_connection() as connection:
        channel = connection.default_channel
        channel.declare_lazily(queue)
        delivery = channel.basic_get(queue.name)
        handle(registered, delivery, queue, Admission(refused=KilledItsProcess(3)))

    assert ended(result) == ("FAILED", ["django_sqs_kombu.exceptions.KilledItsProcess"])


def test_the_result_of_a_task_that_no_worker_knows_ends(receive, monkeypatch):
    result = chores.double.enqueue(1)
    monkeypatch.delattr(chores, "double")
    raised = [receive() for _ in range(5)]

    assert all(isinstance(each, UnknownTask) for each in raised)
    assert ended(result) == ("FAILED", ["django_sqs.tasks.wire.UnknownTask"])


def test_a_task_that_the_worker_could_not_find_is_refused(backends):
    with pytest.raises(InvalidTask, match=r"could not find the task tests.*plain"):
        chores.renamed.enqueue()
    with pytest.raises(ValueError, match="not JSON compliant"):
        chores.double.enqueue(float("nan"))
    assert not records().exists()


def test_results_of_which_nothing_was_seen_for_long_end_and_are_deleted_later(backends, capsys):
    old = timezone.now() - timedelta(days=20)
    lost, later, fresh = (chores.double.enqueue(n) for n in range(3))
    for result in (lost, later):
        records(result).update(
            enqueued_at=old, started_at=old, last_attempted_at=old, status="RUNNING"
        )
    records(later).update(run_after=timezone.now())
    call_command("sqs_prune_results")

    assert ended(lost) == ("FAILED", ["django_sqs.results.lost.TaskLost"])
    assert ended(later)[0] == "RUNNING"
    assert ended(fresh)[0] == "READY"
    assert "1 tasks that never ended are marked as failed" in capsys.readouterr().err
    records(lost).update(finished_at=old)
    call_command("sqs_prune_results")
    assert not records(lost).exists()
    with pytest.raises(CommandError, match="from 0 to"):
        call_command("sqs_prune_results", "--days=-1")


# Strangers.


def test_a_message_names_no_task_of_another_backend_or_queue(receive, calls, backends):
    elsewhere = chores.double.using(backend="ops", queue_name="admin").enqueue(1)
    forged = body(elsewhere)
    django_sqs.send("tasks-default", body=forged)
    django_sqs.send("tasks-default", body={**forged, "backend": "default", "queue": "default"})
    django_sqs.send("tasks-mail", body={**forged, "backend": "default", "queue": "mail"})

    for name, reason in (
        ("tasks-default", "is for backend 'ops' and queue 'admin'"),
        ("tasks-default", "belongs to another task or another call"),
        ("tasks-mail", "must be signed by this project"),
    ):
        assert reason in str(receive(name))
    assert (calls, ended(elsewhere)) == ([], ("READY", []))
    assert receive("ops-admin") is None
    assert calls == [1]


def test_a_forged_id_changes_no_result_and_the_real_message_still_runs(receive, calls):
    real = chores.double.enqueue(1)
    receive_later = body(real)
    receive()
    records(real).update(status="READY", started_at=None)
    django_sqs.send("tasks-default", body={**receive_later, "args": [100]})

    assert "another call" in str(receive())
    assert (calls, ended(real)) == ([1], ("READY", []))
    django_sqs.send("tasks-default", body=receive_later)
    assert receive() is None
    assert calls == [1, 1]


def test_an_id_forges_no_log_line(receive, caplog, backends):
    odd = body(chores.double.enqueue(1))
    receive()
    django_sqs.send("tasks-default", body={**odd, "id": "x\nERROR all is lost"})
    with caplog.at_level(logging.DEBUG):
        assert "\n" not in str(receive())

    assert "\nERROR all is lost" not in caplog.text


# Settings.


def test_run_after_without_time_zones(settings, receive, calls):
    settings.USE_TZ = False
    result = chores.double.using(run_after=datetime.now() + timedelta(seconds=2)).enqueue(3)
    started = time.monotonic()
    while not calls and time.monotonic() < started + 20:
        try:
            receive()
        except AssertionError:
            continue

    assert calls == [3]
    assert time.monotonic() - started >= 1
    result.refresh()
    assert result.status == "SUCCESSFUL"


def test_a_test_may_override_the_setting_tasks(settings, backends, receive, calls):
    changed = {**settings.TASKS["default"], "QUEUES": ["default", "new"]}
    changed["OPTIONS"] = {"timeout": 5}
    settings.TASKS = {**settings.TASKS, "default": changed}
    chores.double.using(queue_name="new").enqueue(1)
    chores.double.enqueue(2)

    assert receive("tasks-new") is None
    assert receive() is None
    assert django_sqs.receivers.get("tasks-default").timeout == 5
    backends["default"].register_queues(django_sqs.receivers)


def test_a_backend_without_its_app_is_a_check_error(settings, backends):
    assert backends["default"].check() == []
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "tests.site.shop"]

    [error] = backends["default"].check()
    assert "'django_sqs' in INSTALLED_APPS" in error.msg
    with pytest.raises(Exception, match="'django_sqs' in INSTALLED_APPS"):
        chores.double.enqueue(1)


def test_one_that_leaves_a_transaction_open_has_failed_in_each_attempt(receive, calls):
    result = chores.leaves_open.enqueue()

    receive()
    assert ended(result)[0] == "READY"
    receive()

    assert len(calls) == 2
    left = "django_sqs.open_transactions.TransactionLeftOpen"
    assert ended(result) == ("FAILED", [left, left])


@pytest.mark.parametrize("result_id", ["nix", "\0", "\ud800", "x" * 5000, None, 5, b"x"], ids=ascii)
def test_an_id_that_no_database_could_store_is_that_of_no_result(result_id):
    with pytest.raises(TaskResultDoesNotExist):
        chores.double.get_backend().get_result(result_id)
