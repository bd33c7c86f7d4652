"""TaskRunner: the receiver that runs a task's message."""

from __future__ import annotations

import math
import os
import socket
import threading
from collections.abc import Awaitable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from django.utils import timezone

from django_sqs_kombu.exceptions import (
    EnvironmentFailure,
    NotTriedAgain,
    RestartLater,
    SQSError,
)
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.messages import JSONMessage, RawMessage
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.working import (
    ENDS,
    Action,
    Attempts,
    CutOff,
    Received,
    Row,
    attempts,
    deciding,
    is_interrupt,
    row_for,
    table_of,
)

from ..database_errors import as_it_counts
from ..open_transactions import run_watched
from ..registry import receivers
from .framework import (
    Task,
    TaskContext,
    TaskResult,
    TaskResultStatus,
    error_of,
    set_fields,
    task_finished,
    task_started,
)
from .options import TaskOptions
from .store import Store
from .values import as_returned
from .wire import TaskCall, TaskRefused, delay_of

logger = get_logger(__name__)

#: After these a task is not at its end, and has not failed.
UNFINISHED: tuple[type[BaseException], ...] = (RestartLater, EnvironmentFailure, CutOff)


class TaskFailedBefore(NotTriedAgain):
    """The message of a task that has failed for the last time was delivered again.

    It is settled as at its failure, so that a dead-letter queue gets it in the end.
    """


class RunsTasks(Protocol):
    """What the runner needs of the backend."""

    @property
    def alias(self) -> str:
        """Its name in TASKS."""

    @property
    def task_options(self) -> TaskOptions:
        """Its options."""

    @property
    def supports_get_result(self) -> bool:
        """Whether results are stored."""

    @property
    def store(self) -> Store:
        """Where results are kept."""


class TaskRunner:
    """Runs the task of each message and notes its result.

    :param backend: whose tasks they are.
    :param queue_name: the queue that it receives from, as the framework names it.
    """

    #: Each task is looked after, since its end is noted after that.
    leaves_none_open = True

    def __init__(self, backend: RunsTasks, queue_name: str) -> None:
        self._backend = backend
        self._queue_name = queue_name
        self.__name__ = "run_task"
        # So that another backend of the same name, as after override_settings, may take over.
        self.__qualname__ = f"TaskRunner({backend.alias!r}, {queue_name!r})"

    @property
    def runs_with(self) -> tuple[str, TaskOptions]:
        """The backend's alias and its options."""
        return self._backend.alias, self._backend.task_options

    def __call__(self, message: RawMessage) -> None:
        """Run the task of *message*.

        :raises RestartLater: it failed and has attempts left, or asked for it.
        :raises UnknownTask: this process has no such task; another one may.
        :raises TaskRefused: the message is not for this queue, or its result is another's.
        :raises EnvironmentFailure: its result cannot be noted now.
        """
        if (run := self._begin(message)) is not None:
            run.run()

    @property
    def on_loop(self) -> bool:
        """Whether tasks run together on one event loop, where there is one."""
        return self._backend.task_options.coroutines

    def steps(self, message: RawMessage) -> Generator[Awaitable[Any], Any, None]:
        """Run the task of *message*, which is yielded, to be awaited on a loop.

        What is done around it may ask the database.

        :raises: as when it is called.
        """
        if (run := self._begin(message)) is not None:
            yield from run.steps()

    def _begin(self, message: RawMessage) -> _Run | None:
        """Note the begin of a task; None: it was finished before."""
        call = TaskCall.from_json(message.get_body())
        task = call.task(self._backend.alias, self._queue_name)
        if early := delay_of(task.run_after):
            raise RestartLater(math.ceil(early))
        received = attempts(message.attributes, message.message_attributes)
        result = self._result(call, task, received.receives)
        store = self._backend.store
        ended = store.begin(result, call, message)
        if ended is None:
            return _Run(self._backend, store, message, call, result, received)
        if ended == TaskResultStatus.FAILED:
            raise TaskFailedBefore(f"Task {call.id} has already failed; it is not run again")
        logger.info("Task %s is already finished; its message was delivered twice", call.id)
        return None

    def settling(self, delivery: Received, action: Action, raised: BaseException | None) -> None:
        """Before a message is deleted or left to the dead letters: its result ends, too.

        Also where the task never ran: it has killed its process, or nobody knows it.
        """
        if (
            action not in ENDS
            or raised is None
            or delivery.has_note
            or isinstance(raised, TaskFailedBefore | TaskRefused)
        ):
            return
        try:
            call = TaskCall.from_json(JSONMessage.from_delivery(delivery).get_body())
        except SQSError:
            # Nobody knows whose result it would be.
            return
        if note := self._backend.store.failed(call, raised):
            delivery.note(note)

    def _result(self, call: TaskCall, task: Task, receives: int) -> TaskResult:
        now = timezone.now()
        return TaskResult(
            task=task,
            id=call.id,
            status=TaskResultStatus.RUNNING,
            enqueued_at=call.enqueued_at,
            started_at=now,
            last_attempted_at=now,
            finished_at=None,
            args=call.args,
            kwargs=call.kwargs,
            backend=self._backend.alias,
            errors=[],
            # Without a store nobody knows who had it before.
            worker_ids=["unknown"] * (receives - 1) + [worker_id()],
        )


class _Run:
    """One attempt of a task, from its start to the note of its end."""

    def __init__(
        self,
        backend: RunsTasks,
        store: Store,
        message: RawMessage,
        call: TaskCall,
        result: TaskResult,
        received: Attempts,
    ) -> None:
        self._backend = backend
        self._store = store
        self._message = message
        self._call = call
        self._result = result
        self._received = received

    def run(self) -> None:
        """Run the task in this thread."""
        with self._noted() as returned:
            returned.append(run_watched(self._run_task, self._args()))

    def _run_task(self, arguments: list[Any]) -> Any:
        return self._result.task.call(*arguments, **self._result.kwargs)

    def steps(self) -> Generator[Awaitable[Any], Any, None]:
        """Have the task awaited; one that is no ``async def`` runs in a thread for calls."""
        # Thrown in where the loop that it was awaited on has ended.
        with self._noted(GeneratorExit) as returned:
            returned.append((yield self._result.task.acall(*self._args(), **self._result.kwargs)))

    @contextmanager
    def _noted(self, *cuts_off: type[BaseException]) -> Iterator[list[Any]]:
        """Note what comes of the task, whose value is put into the list.

        :param cuts_off: what is raised where the task did not come to its end.
        """
        result = self._result
        # A listener that fails is the log's, and no task's.
        task_started.send_robust(type(self._backend), task_result=result)
        try:
            returned: list[Any] = []
            try:
                yield returned
            except Exception as exc:
                if (counts := deciding(as_it_counts(exc, self._table), self._table)) is exc:
                    raise
                raise counts from exc
            value = as_returned(returned[0])
        except UNFINISHED + cuts_off:
            self._end(TaskResultStatus.READY)
            raise
        except BaseException as exc:
            row = self._row(exc)
            passes = row.action is Action.REQUEUE and row.retry is None
            if is_interrupt(exc) or passes:
                self._end(TaskResultStatus.READY)
                raise
            result.errors.append(error_of(exc))
            if row.retry is not None and not self._is_last_receive():
                self._end(TaskResultStatus.READY)
                raise
            if not row.named and self._may_try_again():
                logger.warning(
                    "Task id=%s path=%s failed in attempt %d and is tried again",
                    result.id,
                    result.task.module_path,
                    result.attempts,
                    exc_info=True,
                )
                self._end(TaskResultStatus.READY)
                # An attempt that failed counts for the dead letters, unlike a restart.
                raise RestartLater(counts=True) from exc
            self._end(TaskResultStatus.FAILED)
            raise
        set_fields(result, _return_value=value)
        self._end(TaskResultStatus.SUCCESSFUL)

    def _args(self) -> list[Any]:
        result = self._result
        context = [TaskContext(task_result=result)] if result.task.takes_context else []
        return [*context, *result.args]

    @property
    def _table(self) -> tuple[Row, ...]:
        """What becomes of the message by the policy of its queue."""
        policy = self._backend.task_options.policy.over(receivers.policy)
        return table_of(policy, receivers.passing)

    def _row(self, exc: BaseException) -> Row:
        return row_for(exc, self._received, self._table)

    def _is_last_receive(self) -> bool:
        """Whether it goes to the dead letters for it: in a FIFO queue each receive counts."""
        options = self._backend.task_options
        if not options.dead_letter_queue or not self._result.task.queue_name.endswith(FIFO):
            return False
        return self._message_receives() >= options.attempts

    def _may_try_again(self) -> bool:
        options = self._backend.task_options
        if options.dead_letter_queue and self._message_receives() >= options.attempts:
            # SQS moves it to the dead letters before it would be received again.
            return False
        # Restarts are no failures. Without a store nobody knows which of the receives were.
        stored = self._backend.supports_get_result
        failures = len(self._result.errors) if stored else self._result.attempts
        return failures < options.attempts

    def _message_receives(self) -> int:
        return attempts(self._message.attributes, {}).receives

    def _end(self, status: TaskResultStatus) -> None:
        result = self._result
        set_fields(result, status=status)
        if result.is_finished:
            set_fields(result, finished_at=timezone.now())
        if note := self._store.ended(result, self._call):
            self._message.note(note)
        if result.is_finished:
            task_finished.send_robust(type(self._backend), task_result=result)


def worker_id() -> str:
    """What names this thread of this process on this host."""
    return f"{_host()}:{os.getpid()}:{threading.current_thread().name}"[:64]


@cache
def _host() -> str:
    # Asked once: each call lets go of the interpreter, which other threads then have first.
    return socket.gethostname()[:30]
