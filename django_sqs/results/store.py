"""DatabaseStore: keeps the results of tasks as TaskRecords."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.module_loading import import_string

from ..tasks.framework import (
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    set_fields,
)
from ..tasks.wire import as_enqueued
from .models import TaskRecord

FINISHED = ("FAILED", "SUCCESSFUL")


class DatabaseStore:
    """A :class:`~django_sqs.tasks.store.Store` in the database."""

    def create(self, results: Sequence[TaskResult]) -> None:
        """Keep new results."""
        TaskRecord.objects.bulk_create([_record(result) for result in results], batch_size=500)

    def discard(self, results: Sequence[TaskResult]) -> None:
        """Forget results whose tasks were not enqueued."""
        TaskRecord.objects.filter(pk__in=[result.id for result in results]).delete()

    def begin(self, result: TaskResult) -> bool:
        """Note that *result*'s task starts; fill in what earlier attempts left."""
        with transaction.atomic():
            record = TaskRecord.objects.select_for_update().filter(pk=result.id).first()
            if record is None:
                # Pruned meanwhile, or enqueued before the app was installed.
                record = _record(result)
                record.worker_ids = []
            if record.status in FINISHED:
                return False
            record.status = "RUNNING"
            record.started_at = record.started_at or result.started_at
            record.last_attempted_at = result.last_attempted_at
            record.worker_ids.append(result.worker_ids[-1])
            record.save()
        set_fields(
            result,
            started_at=record.started_at,
            worker_ids=list(record.worker_ids),
            errors=_errors(record),
        )
        return True

    def update(self, result: TaskResult) -> None:
        """Note how an attempt ended."""
        TaskRecord.objects.filter(pk=result.id).update(
            status=result.status,
            finished_at=result.finished_at,
            errors=[_error(error) for error in result.errors],
            return_value=result._return_value,
        )

    def get(self, result_id: str, alias: str) -> TaskResult:
        """The result of that id.

        :raises TaskResultDoesNotExist: there is none, or its task is no longer there.
        """
        record = TaskRecord.objects.filter(pk=result_id, backend=alias).first()
        if record is None:
            raise TaskResultDoesNotExist(result_id)
        result = TaskResult(
            task=_task(record),
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


def _record(result: TaskResult) -> TaskRecord:
    task = result.task
    return TaskRecord(
        id=result.id,
        status=result.status,
        task=task.module_path,
        backend=result.backend,
        queue_name=task.queue_name,
        priority=task.priority,
        args=result.args,
        kwargs=result.kwargs,
        run_after=task.run_after,
        enqueued_at=result.enqueued_at,
    )


def _task(record: TaskRecord) -> Task:
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
