"""How tasks with results begin: many found new by one query, those that run long told of."""

from datetime import timedelta

import pytest
from django.db import connections, router
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import django_sqs
from django_sqs.results.begins import Begin, BeginWriter, untold
from django_sqs.results.ends import End, EndWriter
from django_sqs.results.models import TaskRecord
from django_sqs.results.store import DatabaseStore
from django_sqs.tasks.framework import set_fields
from django_sqs.tasks.wire import TaskCall, body_of, digest_of
from django_sqs_kombu import ReceiverConsumer

from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def calls(backends):
    chores.calls.clear()
    return chores.calls


def record(result):
    return TaskRecord.objects.using(router.db_for_write(TaskRecord)).get(pk=result.id)


class Message:
    """That of a task whose result is new, as somebody saw a moment ago."""

    def __init__(self, result):
        self.digest = digest_of(result)
        self.starts = []

    def ask_ahead(self, ask):
        return self.digest

    def note_start(self, note):
        self.starts.append(note)


def begin(result, message):
    now = timezone.now()
    set_fields(result, started_at=now, last_attempted_at=now, worker_ids=["here"])
    return DatabaseStore().begin(result, TaskCall.from_json(body_of(result)), message)


def test_tasks_that_are_received_together_are_looked_at_by_one_query(backends, calls):
    enqueued = backends["default"].enqueue_many([(chores.double, (n,), {}) for n in range(10)])
    queue = django_sqs.receivers.get("tasks-default")
    consumer = ReceiverConsumer(django_sqs.receivers, [queue], message_limit=10)
    with CaptureQueriesContext(connections[router.db_for_write(TaskRecord)]) as queries:
        consumer.run()

    assert sorted(calls) == list(range(10))
    assert len([query for query in queries if query["sql"].startswith("SELECT")]) < 10
    for result in enqueued:
        result.refresh()
        assert (result.status, result.attempts) == ("SUCCESSFUL", 1)
        assert result.started_at == result.last_attempted_at < result.finished_at


def test_many_tasks_take_fewer_statements_than_they_are(backends, calls, monkeypatch):
    """They are looked at and ended together, in whichever thread, not task by task."""
    statements = []

    def counting(name):
        original = getattr(CursorWrapper, name)

        def execute(self, sql, *parameters):
            if TaskRecord._meta.db_table in sql:
                statements.append(sql)
            return original(self, sql, *parameters)

        return execute

    backends["default"].enqueue_many([(chores.double, (n,), {}) for n in range(40)])
    for name in ("execute", "executemany"):
        monkeypatch.setattr(CursorWrapper, name, counting(name))
    queue = django_sqs.receivers.get("tasks-default")
    ReceiverConsumer(django_sqs.receivers, [queue], message_limit=40).run()

    assert sorted(calls) == list(range(40))
    assert 2 <= len(statements) < 40
    written = TaskRecord.objects.using(router.db_for_write(TaskRecord))
    assert written.filter(status="SUCCESSFUL").count() == 40


def test_a_task_sees_itself_run(receive):
    result = chores.reads_its_result.enqueue()
    assert receive() is None

    result.refresh()
    assert result.return_value == ["RUNNING", 1]


def test_nobody_else_is_told_of_a_task_before_its_note_is_written(backends):
    result = chores.double.enqueue(1)
    message = Message(result)
    assert begin(result, message) is None

    assert record(result).status == "READY"
    [note] = message.starts
    note.write_now()
    found = record(result)
    assert (found.status, found.worker_ids) == ("RUNNING", ["here"])


def test_what_has_begun_in_this_process_is_looked_at_again(backends, receive):
    """Its message came twice, and was looked at when it had not begun."""
    result = chores.double.enqueue(1)
    stale = Message(result)
    receive()
    untold[result.id] = kept = Begin.of(result, stale.digest)

    assert begin(result, stale) == "SUCCESSFUL"
    assert kept.id == result.id


def test_an_attempt_begins_after_the_one_before_whatever_the_clock_says(backends):
    result = chores.double.enqueue(1)
    late = timezone.now() + timedelta(hours=1)
    fast = Begin(result.id, digest_of(result), late, late, ["there"])
    BeginWriter().write([fast])

    message = Message(result)
    message.digest = None
    assert begin(result, message) is None
    BeginWriter().write([note.content for note in message.starts])

    found = record(result)
    assert found.worker_ids == ["there", "here"]
    assert found.last_attempted_at > late


def test_an_earlier_attempt_neither_begins_nor_pauses_over_a_later_one(backends):
    result = chores.double.enqueue(1)
    now = timezone.now()
    earlier = Begin(result.id, digest_of(result), now, now, ["there"])
    later = Begin(result.id, digest_of(result), now, now + timedelta(seconds=1), ["here"])
    BeginWriter().write([later])
    BeginWriter().write([earlier])
    pause = End(result.id, digest_of(result), "READY", [], begin=earlier)
    EndWriter().write([pause])

    found = record(result)
    assert (found.status, found.worker_ids) == ("RUNNING", ["here"])
    EndWriter().write([End(result.id, digest_of(result), "READY", [], begin=later)])
    assert record(result).status == "READY"
    # Nor is one that has ended said to run by a note that comes late.
    BeginWriter().write([later])
    assert record(result).status == "READY"
