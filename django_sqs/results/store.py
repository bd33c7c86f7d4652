"""DatabaseStore: keeps the results of tasks as TaskRecords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import (
    DEFAULT_DB_ALIAS,
    DataError,
    Error,
    IntegrityError,
    connections,
    transaction,
)
from django.utils import timezone
from django.utils.module_loading import import_string

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.transport import Note

from ..clocks import moment
from ..database_errors import NotConnected, as_database_errors
from ..not_migrated import NotMigrated, lacks_tables, migrated
from ..portions import as_json, portions
from ..steady import steady_alias_of
from ..storable import storable, storable_text
from ..tasks.framework import (
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    error_of,
    set_fields,
)
from ..tasks.wire import TaskCall, TaskRefused, as_enqueued, digest_of
from .begins import Begin, BeginWriter, untold
from .ends import End, EndWriter
from .models import TaskRecord
from .statements import UNFINISHED, fresh_digests

APP = "django_sqs.results"
#: One writer for all: the notes of a channel are written together.
_WRITER = EndWriter()
_BEGINS = BeginWriter()
#: How often a result that others change at the same time is looked at.
MOST_LOOKS = 10

#: The id in the body of a task's message, which may be within an envelope.
_ID = re.compile(r'\\?"id\\?": ?\\?"([A-Za-z0-9_-]{1,64})\\?"')


class DatabaseStore:
    """A :class:`~django_sqs.tasks.store.Store` in the database that the router writes to.

    It is read there, too: a replica may not have yet what was written.
    """

    @property
    def using(self) -> str:
        """The alias of the database.

        :raises NotConnected: no router says.
        """
        return steady_alias_of(TaskRecord)

    def create(self, results: Sequence[TaskResult]) -> None:
        """Keep new results.

        :raises NotMigrated: their table is not there.
        """
        records, using = [_record(result, digest_of(result)) for result in results], self.using
        with migrated(APP, using), transaction.atomic(using=using, savepoint=False):
            for some in portions(records, lambda record: as_json([record.args, record.kwargs])):
                TaskRecord.objects.using(using).bulk_create(some)

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

    def begin(
        self, result: TaskResult, call: TaskCall, message: RawMessage
    ) -> TaskResultStatus | None:
        """Note that *result*'s task starts; fill in what earlier attempts left.

        Many tasks that are new are found so by one SELECT.  That one runs is written, together
        with others, when it has taken longer than a moment; else its end says all of it.
        """
        using = DEFAULT_DB_ALIAS
        try:
            with as_database_errors():
                using = self.using
                begun = self._begin(using, result, call, message)
        except DataError:
            raise
        except Error as exc:
            raise _explained(using, exc) from exc
        if not isinstance(begun, Note):
            return begun
        untold[result.id] = begun.content
        message.note_start(begun)
        return None

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
            Begin.of(result, call.digest),
        )
        return self._note(end)

    def failed(self, call: TaskCall, exc: BaseException) -> Note | None:
        """That a task failed without having ended, if its result is that call's."""
        return self._note(_failure(call.id, call.digest, exc))

    def get(self, result_id: str, alias: str) -> TaskResult:
        """The result of that id.

        :raises TaskResultDoesNotExist: there is none, or its task is no longer there.
        :raises NotMigrated: nor is the table.
        """
        with migrated(APP, using := self.using):
            records = TaskRecord.objects.using(using)
            # Whoever asks for it may have made it up.
            record = records.filter(pk=storable_text(str(result_id)), backend=alias).first()
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
        if (begin := untold.get(result_id)) is not None:
            begin.show(result)
        return result

    def _begin(
        self, using: str, result: TaskResult, call: TaskCall, message: RawMessage
    ) -> TaskResultStatus | Note | None:
        """The note of its begin; None: it is written; or how it has ended before."""
        receives = len(result.worker_ids)
        digest = message.ask_ahead(_fresh)
        if digest == call.digest and result.id not in untold:
            set_fields(result, worker_ids=result.worker_ids[-1:])
        elif (ended := self._begin_again(using, result, call)) is not None:
            return ended
        note = Note(_BEGINS, Begin.of(result, call.digest))
        # One that was received before may have killed a process in its first moment.  And
        # another connection would not see what this transaction has not committed.
        if receives > 1 or connections[using].in_atomic_block:
            note.write_now()
            return None
        return note

    def _note(self, end: End) -> Note | None:
        note = Note(_WRITER, end)
        try:
            at_once = connections[self.using].in_atomic_block
        except NotConnected:
            # The task has had its effect.  Whoever writes the note asks the routers again.
            at_once = False
        if at_once:
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
            set_fields(
                result,
                started_at=record.started_at or result.started_at,
                last_attempted_at=_later(result.last_attempted_at, record.last_attempted_at),
                worker_ids=[*record.worker_ids, result.worker_ids[-1]],
                errors=_errors(record),
            )
            return None
        raise EnvironmentFailure(f"The result {result.id} keeps being changed by other processes")


def _fresh(bodies: Sequence[str]) -> list[str | None]:
    """The digests of those results that are new, by the bodies of their tasks' messages."""
    ids = [found[1] if (found := _ID.search(body)) else None for body in bodies]
    wanted = [each for each in dict.fromkeys(ids) if each is not None]
    digests = fresh_digests(steady_alias_of(TaskRecord), wanted) if wanted else {}
    return [digests.get(each) if each else None for each in ids]


def _later(now: datetime, before: datetime | None) -> datetime:
    """When an attempt begins: after the one before, whatever the clock of its host said."""
    if before is None or before < now:
        return now
    return before + timedelta(microseconds=1)


def _explained(using: str, exc: Error) -> Exception:
    """What a database refuses for its own reasons is never the message's fault."""
    if lacks_tables(exc):
        return NotMigrated(APP, using, exc)
    return EnvironmentFailure(f"The results cannot be written: {exc!r}")


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
