"""DatabaseStore: keeps the results of tasks as TaskRecords."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DataError, Error, IntegrityError, connections, router, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.transport import Note

from ..storable import storable
from ..tasks.framework import (
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    error_of,
    set_fields,
)
from ..tasks.wire import TaskCall, TaskRefused, as_enqueued, digest_of, moment
from .ends import UNFINISHED, End, EndWriter
from .models import TaskRecord
from .statements import ConditionalUpdate

#: One writer for all: the notes of a channel are written together.
_WRITER = EndWriter()
#: How often a result that others change at the same time is looked at.
MOST_LOOKS = 10

_ATTEMPT = ("status", "started_at", "last_attempted_at", "worker_ids")
_BEGIN = ConditionalUpdate(_ATTEMPT, ("id", "digest"), ("READY",), fresh=True)


class DatabaseStore:
    """A :class:`~django_sqs.tasks.store.Store` in the database that the router writes to.

    It is read there, too: a replica may not have yet what was written.
    """

    @property
    def using(self) -> str:
        """The alias of the database."""
        return router.db_for_write(TaskRecord)

    def create(self, results: Sequence[TaskResult]) -> None:
        """Keep new results."""
        records = [_record(result, digest_of(result)) for result in results]
        TaskRecord.objects.using(self.using).bulk_create(records, batch_size=500)

    def discard(self, results: Sequence[TaskResult]) -> None:
        """Forget results whose tasks were not enqueued."""
        ids = [result.id for result in results]
        if ids:
            TaskRecord.objects.using(self.using).filter(pk__in=ids).delete()

    def fail(self, results: Sequence[TaskResult], exc: BaseException) -> None:
        """Note that tasks whose results are known already could not be enqueued."""
        ends = [_failure(result.id, digest_of(result), exc) for result in results]
        if ends:
            _WRITER.write(ends)

    def begin(self, result: TaskResult, call: TaskCall) -> TaskResultStatus | None:
        """Note that *result*'s task starts; fill in what earlier attempts left.

        The first attempt is one UPDATE: it holds only if the result is that call's, and new.
        """
        using = self.using
        values = {
            "id": result.id,
            "digest": call.digest,
            "status": "RUNNING",
            "started_at": result.started_at,
            "last_attempted_at": result.last_attempted_at,
            "worker_ids": result.worker_ids[-1:],
        }
        with _environment():
            if _BEGIN.execute(using, values):
                set_fields(result, worker_ids=values["worker_ids"])
                return None
            return self._begin_again(using, result, call)

    def ended(self, result: TaskResult, call: TaskCall) -> Note | None:
        """How an attempt ended; within a transaction, as a test's, it is written at once."""
        end = End(
            result.id,
            # Not the result's: the task may have changed its arguments.
            call.digest,
            str(result.status),
            [_error(error) for error in result.errors],
            result._return_value,
            result.finished_at,
            result.last_attempted_at,
        )
        return self._note(end)

    def failed(self, call: TaskCall, exc: BaseException) -> Note | None:
        """That a task failed without having ended, if its result is that call's."""
        return self._note(_failure(call.id, call.digest, exc))

    def get(self, result_id: str, alias: str) -> TaskResult:
        """The result of that id.

        :raises TaskResultDoesNotExist: there is none, or its task is no longer there.
        """
        records = TaskRecord.objects.using(self.using)
        record = records.filter(pk=result_id, backend=alias).first()
        if record is None:
            raise TaskResultDoesNotExist(result_id)
        result = TaskResult(
            task=task_of(record),
            id=record.id,
            status=TaskResultStatus(record.status),
            enqueued_at=record.enqueued_at,
            started_at=record.started_at,
            last_attempted_at=record.last_attempted_at,
            finished_at=record.finished_at,
            args=record.args,
            kwargs=record.kwargs,
            backend=record.backend,
            errors=_errors(record),
            worker_ids=record.worker_ids,
        )
        set_fields(result, _return_value=record.return_value)
        return result

    def _note(self, end: End) -> Note | None:
        note = Note(_WRITER, end)
        # Another connection would not see what this transaction has not committed.
        if connections[self.using].in_atomic_block:
            note.write_now()
            return None
        return note

    def _begin_again(
        self, using: str, result: TaskResult, call: TaskCall
    ) -> TaskResultStatus | None:
        """Begin what was attempted before, or is not here: pruned, or older than the app."""
        records = TaskRecord.objects.using(using)
        for _ in range(MOST_LOOKS):
            record = records.filter(pk=result.id).first()
            if record is None:
                if _insert(using, result, call.digest):
                    return None
                continue
            if record.digest != call.digest:
                raise TaskRefused(f"The result {result.id} belongs to another task or another call")
            if record.status not in UNFINISHED:
                return TaskResultStatus(record.status)
            worker_ids = [*record.worker_ids, result.worker_ids[-1]]
            started_at = record.started_at or result.started_at
            # Only if nobody else began it meanwhile.
            same = {"status": record.status, "last_attempted_at": record.last_attempted_at}
            if records.filter(pk=record.pk, **same).update(
                status="RUNNING",
                started_at=started_at,
                last_attempted_at=result.last_attempted_at,
                worker_ids=worker_ids,
            ):
                errors = _errors(record)
                set_fields(result, started_at=started_at, worker_ids=worker_ids, errors=errors)
                return None
        raise EnvironmentFailure(f"The result {result.id} keeps being changed by other processes")


@contextmanager
def _environment() -> Iterator[None]:
    """What a database refuses for its own reasons is never the message's fault."""
    try:
        yield
    except DataError:
        raise
    except Error as exc:
        raise EnvironmentFailure(f"The results cannot be written: {exc!r}") from exc


def _insert(using: str, result: TaskResult, digest: str) -> bool:
    record = _record(result, digest)
    record.started_at = result.started_at
    record.last_attempted_at = result.last_attempted_at
    record.worker_ids = result.worker_ids[-1:]
    try:
        with transaction.atomic(using=using):
            record.save(using=using, force_insert=True)
    except IntegrityError:
        # Somebody else was first.
        return False
    set_fields(result, worker_ids=record.worker_ids)
    return True


def _failure(result_id: str, digest: str, exc: BaseException) -> End:
    error = _error(error_of(exc))
    return End(result_id, digest, "FAILED", [error], finished_at=timezone.now(), adds=True)


def _record(result: TaskResult, digest: str) -> TaskRecord:
    task = result.task
    return TaskRecord(
        id=result.id,
        digest=digest,
        status=result.status,
        task=task.module_path,
        backend=result.backend,
        queue_name=task.queue_name,
        priority=task.priority,
        args=storable(result.args),
        kwargs=storable(result.kwargs),
        run_after=task.run_after and moment(task.run_after),
        enqueued_at=result.enqueued_at,
    )


def task_of(record: TaskRecord) -> Task:
    """The task of a result, as it was enqueued.

    :raises TaskResultDoesNotExist: it is no longer there.
    """
    try:
        # From our own database, unlike a message's path.
        found = import_string(record.task)
    except ImportError:
        found = None
    if not isinstance(found, Task):
        raise TaskResultDoesNotExist(
            f"{record.id}: its task {record.task} is no longer part of this project"
        )
    return as_enqueued(found, record, record.backend)


def _error(error: TaskError) -> dict[str, str]:
    return {"exception": error.exception_class_path, "traceback": error.traceback}


def _errors(record: TaskRecord) -> list[TaskError]:
    return [
        TaskError(exception_class_path=error["exception"], traceback=error["traceback"])
        for error in record.errors
    ]
