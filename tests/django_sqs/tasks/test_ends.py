"""Ends of tasks: many are written by few statements, each as if it were written alone."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import (
    DatabaseError,
    NotSupportedError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_sqs.refused_writes import MOST_TRIES
from django_sqs.results.begins import Begin, BeginWriter
from django_sqs.results.ends import End, EndWriter, _write_alone
from django_sqs.results.models import TaskRecord
from django_sqs.tasks.wire import digest_of

from . import chores

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ODD = [
    *("'; DROP TABLE x; --", "100 %s %(id)s", "\\x00 \\u0000 \\", '"{}"', "ß \U0001f600"),
    *(None, True, 0, -1.5, 2**70, [], {}, [None, {"a": [1, "b", None]}]),
]


def write(ends, writer=EndWriter):
    """Write them; return the statements that it took, without those around them elsewhere."""
    connection = connections[router.db_for_write(TaskRecord)]
    with CaptureQueriesContext(connection) as queries:
        writer().write(ends)
    of_one = connection.vendor == "postgresql"
    return [query["sql"] for query in queries if of_one or "UPDATE" in query["sql"]]


def enqueue(backends, count):
    return backends["default"].enqueue_many([(chores.double, (n,), {}) for n in range(count)])


def attempt(result, **more):
    now = timezone.now() + timedelta(**more)
    return Begin(result.id, digest_of(result), now, now, ["here"])


def successful(result, value, **more):
    return End(
        result.id,
        digest_of(result),
        "SUCCESSFUL",
        [],
        value,
        timezone.now(),
        attempt(result),
        **more,
    )


def record(result):
    return TaskRecord.objects.using(router.db_for_write(TaskRecord)).get(pk=result.id)


@pytest.mark.parametrize("count", [2, 100])
def test_ends_that_come_together_are_written_by_one_statement(backends, count):
    results = enqueue(backends, count)

    ends = [successful(result, number) for number, result in enumerate(results)]
    statements = write(ends)

    assert len(statements) == 1
    # Elsewhere it is that of executemany().
    vendor = connections[router.db_for_write(TaskRecord)].vendor
    reads = {"postgresql": "json_to_recordset", "sqlite": "json_each"}
    assert reads.get(vendor, "UPDATE") in statements[0]
    for end, result in zip(ends, results, strict=True):
        found = record(result)
        assert (found.status, found.errors) == ("SUCCESSFUL", [])
        assert found.return_value == end.return_value
        assert found.finished_at == end.finished_at
        assert found.started_at == found.last_attempted_at == end.begin.started_at
        assert found.worker_ids == ["here"]


def test_ends_are_written_as_well_by_a_sqlite_that_reads_no_rows(backends, monkeypatch):
    monkeypatch.setattr("django_sqs.results.statements._SQLITE_READS_ROWS", (99,))
    results = enqueue(backends, 3)

    [statement] = write([successful(result, [None]) for result in results])

    assert "json_each" not in statement
    assert [record(result).return_value for result in results] == [[None]] * 3


def test_so_are_begins(backends):
    results = enqueue(backends, 20)

    assert len(write([attempt(result) for result in results], BeginWriter)) == 1
    assert {record(result).status for result in results} == {"RUNNING"}


def test_what_is_odd_is_stored_as_it_is(backends):
    results = enqueue(backends, len(ODD))
    failed = [{"exception": "a.B", "traceback": str(value)} for value in ODD]
    ends = [successful(result, value) for result, value in zip(results, ODD, strict=True)]
    for end, error in zip(ends, failed, strict=True):
        end.errors = [error]

    assert len(write(ends)) == 1
    for result, value, error in zip(results, ODD, failed, strict=True):
        found = record(result)
        assert found.return_value == value
        assert type(found.return_value) is type(value)
        assert found.errors == [error]


def test_no_value_is_null_and_not_the_null_of_json(backends):
    results = enqueue(backends, 3)
    write([successful(result, None) for result in results])

    using = router.db_for_write(TaskRecord)
    assert TaskRecord.objects.using(using).filter(return_value__isnull=True).count() == 3


def test_none_changes_what_is_another_calls_or_has_ended(backends):
    plain, forged, ended = enqueue(backends, 3)
    write([successful(ended, "first")])

    ends = [successful(each, "second") for each in (plain, forged, ended)]
    ends[1].digest = "f" * 64
    write(ends)

    assert record(plain).return_value == "second"
    assert record(forged).status == "READY"
    assert record(ended).return_value == "first"


def test_of_two_ends_of_a_result_the_first_counts(backends):
    """One statement would update it once, by either."""
    result, other = enqueue(backends, 2)

    write([successful(result, 1), successful(other, 0), successful(result, 2)])
    assert (record(result).return_value, record(other).return_value) == (1, 0)


def test_many_pauses_are_not_written_over_later_attempts(backends):
    results = enqueue(backends, 4)
    BeginWriter().write([attempt(result, seconds=5) for result in results[:2]])

    pauses = [End(each.id, digest_of(each), "READY", [], begin=attempt(each)) for each in results]
    assert len(write(pauses)) == 1
    assert [record(each).status for each in results] == ["RUNNING", "RUNNING", "READY", "READY"]
    assert record(results[3]).worker_ids == ["here"]


def test_a_transaction_outlives_an_end_that_its_database_refuses(backends):
    [result] = enqueue(backends, 1)
    using = router.db_for_write(TaskRecord)
    odd = {1, 2} if connections[using].vendor == "sqlite" else 0
    end = successful(result, odd)
    end.status = "LONGER THAN ITS COLUMN"
    with transaction.atomic(using):
        EndWriter().write([end])

    assert record(result).status == "FAILED"


def test_one_that_a_database_refuses_costs_no_other(backends):
    results = enqueue(backends, 3)
    ends = [successful(result, number) for number, result in enumerate(results)]
    # As nothing says it that went through SQS.
    ends[1].status = "LONGER THAN ITS COLUMN"
    if connections[router.db_for_write(TaskRecord)].vendor == "sqlite":
        # It takes whatever is text.
        ends[1].return_value = {1, 2}
    ends[1].finished_at = timezone.now()
    EndWriter().write(ends)

    assert [record(each).status for each in results] == ["SUCCESSFUL", "FAILED", "SUCCESSFUL"]
    assert "could not be stored" in record(results[1]).errors[0]["traceback"]


@pytest.mark.parametrize("more", [0, 1])
def test_what_refuses_every_write_costs_no_outcome(more, backends):
    """A lock that outlasts many tries ends just before what would take the place of an end."""
    [result] = enqueue(backends, 1)
    end = successful(result, 42)
    # Each try writes all together, then each alone.
    fails = [OperationalError("canceling statement due to lock timeout")] * (2 * MOST_TRIES + more)

    def locked(execute, sql, *given):
        if "UPDATE" in sql and fails:
            raise fails.pop()
        return execute(sql, *given)

    with connections[router.db_for_write(TaskRecord)].execute_wrapper(locked):
        while fails:
            with suppress(OperationalError):
                EndWriter().write([end])
        EndWriter().write([end])

    assert (record(result).status, record(result).return_value) == ("SUCCESSFUL", 42)


def test_a_lock_that_comes_back_at_once_costs_no_outcome(backends):
    """What finds out whether the row can be written at all leaves nobody a moment to take it."""
    [result] = enqueue(backends, 1)
    end = successful(result, 42)
    fails = [OperationalError("database is locked")] * (2 * MOST_TRIES)
    used = connections[router.db_for_write(TaskRecord)]
    wrote = []

    def locked(execute, sql, *given):
        if "UPDATE" not in sql:
            return execute(sql, *given)
        if fails:
            raise fails.pop()
        if not wrote:
            wrote.append(sql)
            transaction.on_commit(lambda: fails.append(OperationalError("locked")), used.alias)
        return execute(sql, *given)

    with used.execute_wrapper(locked):
        for _ in range(MOST_TRIES):
            with suppress(OperationalError):
                EndWriter().write([end])

    assert (record(result).status, record(result).return_value) == ("SUCCESSFUL", 42)


@pytest.mark.parametrize("raised", [NotSupportedError, DatabaseError, OperationalError])
def test_an_end_that_its_connection_refuses_is_written_on_another(raised, backends):
    """What was prepared on it fits the table no more, or its driver no longer understands it."""
    [result] = enqueue(backends, 1)
    used = connections[router.db_for_write(TaskRecord)]
    if used.vendor == "sqlite":
        pytest.skip("a database in memory keeps its connection")
    used.ensure_connection()
    first = used.connection

    def stale(execute, *query):
        if used.connection is first:
            raise raised("cached plan must not change result type")
        return execute(*query)

    with used.execute_wrapper(stale):
        EndWriter().write([successful(result, 42)])

    assert record(result).return_value == 42


@pytest.fixture
def refuse(monkeypatch):
    """Have the database refuse one end alone, as *says*, while the list is not empty."""

    def refuse(end, says):
        lasts = [True]

        def refused(using, given):
            if given is end and lasts:
                raise OperationalError(*says)
            _write_alone(using, given)

        monkeypatch.setattr("django_sqs.results.ends._write_alone", refused)
        monkeypatch.setattr(
            EndWriter, "_write_together", lambda self, using, _: refused(using, end)
        )
        return lasts

    return refuse


def test_an_end_that_alone_fails_time_and_again_is_written_without_its_contents(backends, refuse):
    [result] = enqueue(backends, 1)
    end = successful(result, "much")
    refuse(end, (1153, "Got a packet bigger than 'max_allowed_packet' bytes"))
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(OperationalError):
            EndWriter().write([end])
    EndWriter().write([end])

    assert record(result).status == "FAILED"
    assert "max_allowed_packet" in record(result).errors[0]["traceback"]


@pytest.mark.parametrize(
    "says",
    [
        ("database or disk is full",),
        (1114, "The table 'taskrecord' is full"),
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
    ],
)
def test_a_database_without_room_costs_no_outcome(says, backends, refuse):
    """What is small may find some room, where an outcome does not."""
    [result] = enqueue(backends, 1)
    end = successful(result, "much")
    lasts = refuse(end, says)
    for _ in range(MOST_TRIES + 2):
        with pytest.raises(OperationalError):
            EndWriter().write([end])
    lasts.clear()
    EndWriter().write([end])

    assert (record(result).status, record(result).return_value) == ("SUCCESSFUL", "much")
