"""TaskRunner: the receiver that runs a task's message."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
from traceback import format_exception
from typing import Any, Protocol

from django.utils import timezone

from django_sqs_kombu.exceptions import RestartLater
from django_sqs_kombu.messages import JSONMessage
from django_sqs_kombu.working import attempts

from .framework import (
    Task,
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
    normalize_json,
    set_fields,
    task_finished,
    task_started,
)
from .options import TaskOptions
from .store import Store
from .wire import TaskCall, delay_of

logger = logging.getLogger(__name__)


class RunsTasks(Protocol):
    """What the runner needs of the backend."""

    @property
    def alias(self) -> str:
        """Its name in TASKS."""

    @property
    def task_options(self) -> TaskOptions:
        """Its options."""

    @property
    def store(self) -> Store:
        """Where results are kept."""


class TaskRunner:
    """Runs the task of each message and notes its result.

    :param backend: whose tasks they are.
    """

    __name__ = "run_task"
    __qualname__ = "TaskRunner"

    def __init__(self, backend: RunsTasks) -> None:
        self._backend = backend

    def __call__(self, message: JSONMessage) -> None:
        """Run the task of *message*.

        :raises RestartLater: it failed and has attempts left, or asked for it.
        :raises UnknownTask: this process has no such task; another one may.
        """
        call = TaskCall.from_json(message.get_body())
        task = call.task(self._backend.alias)
        if early := delay_of(task.run_after):
            raise RestartLater(math.ceil(early))
        received = attempts(message.attributes, message.message_attributes)
        result = self._result(call, task, received)
        if not self._backend.store.begin(result):
            logger.info("Task %s was finished before; its message was delivered twice", call.id)
            return
        self._run(result)

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

    def _run(self, result: TaskResult) -> None:
        task_started.send(type(self._backend), task_result=result)
        try:
            value = normalize_json(self._call(result))
        except KeyboardInterrupt:
            raise
        except RestartLater:
            self._end(result, TaskResultStatus.READY)
            raise
        except BaseException as exc:
            self._note_error(result, exc)
            if result.attempts < self._backend.task_options.attempts:
                logger.warning(
                    "Task id=%s path=%s failed in attempt %d and is tried again",
                    result.id,
                    result.task.module_path,
                    result.attempts,
                    exc_info=True,
                )
                self._end(result, TaskResultStatus.READY)
                # An attempt that failed counts for the dead letters, unlike a restart.
                raise RestartLater(counts=True) from exc
            self._end(result, TaskResultStatus.FAILED)
            task_finished.send(type(self._backend), task_result=result)
            raise
        set_fields(result, _return_value=value)
        self._end(result, TaskResultStatus.SUCCESSFUL)
        task_finished.send(type(self._backend), task_result=result)

    def _call(self, result: TaskResult) -> Any:
        context = [TaskContext(task_result=result)] if result.task.takes_context else []
        return result.task.call(*context, *result.args, **result.kwargs)

    def _end(self, result: TaskResult, status: TaskResultStatus) -> None:
        set_fields(result, status=status)
        if result.is_finished:
            set_fields(result, finished_at=timezone.now())
        self._backend.store.update(result)

    def _note_error(self, result: TaskResult, exc: BaseException) -> None:
        cls = type(exc)
        result.errors.append(
            TaskError(
                exception_class_path=f"{cls.__module__}.{cls.__qualname__}",
                traceback="".join(format_exception(exc)),
            )
        )


def worker_id() -> str:
    """What names this thread of this process on this host."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{threading.current_thread().name}"[:64]
