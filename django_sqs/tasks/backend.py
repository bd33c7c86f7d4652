"""SQSBackend: enqueues tasks as messages, which runreceiver runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from django_sqs_kombu.exceptions import SendManyFailed, SQSError
from django_sqs_kombu.messages import JSONMessage
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration import Receivers
from django_sqs_kombu.registration import RegisteredQueue as PlainQueue

from ..conf import conf
from ..registry import receivers
from .framework import (
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultStatus,
    task_enqueued,
)
from .options import TaskOptions
from .runner import TaskRunner
from .store import NoStore, Store
from .stores import stores
from .wire import TaskCall, delay_of

#: A task with its positional and its keyword arguments.
Call = tuple[Task, Iterable[Any], dict[str, Any]]


class SQSBackend(BaseTaskBackend):  # type: ignore[misc]
    """A backend of Django's Tasks framework on Amazon SQS.

    ``TASKS = {"default": {"BACKEND": "django_sqs.tasks.SQSBackend", "QUEUES": [...],
    "OPTIONS": {...}}}``; the options are those of
    :class:`~django_sqs.tasks.options.TaskOptions`.  ``runreceiver`` runs the tasks.
    """

    supports_defer = True
    """``run_after``: SQS's delay up to 15 minutes; a later task is sent on until it is due."""

    supports_async_task = True
    """Coroutines are run as receivers are that are coroutines."""

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.task_options = TaskOptions.read(alias, self.options)
        if not self.queues:
            raise ImproperlyConfigured(
                f"TASKS[{alias!r}]['QUEUES'] must name the queues: each is one in SQS, which "
                "runreceiver receives from."
            )

    @property
    def supports_get_result(self) -> bool:
        """Results are stored where the app django_sqs.results is installed."""
        return apps.is_installed("django_sqs.results")

    @property
    def supports_priority(self) -> bool:
        """Priorities are kept where the option ``priority_levels`` names some."""
        return bool(self.task_options.priority_levels)

    @property
    def store(self) -> Store:
        """Where results are kept."""
        if not self.supports_get_result:
            return NoStore()
        return stores.of("django_sqs.results", f"TASKS[{self.alias!r}]")()

    @property
    def waits_for_commit(self) -> bool:
        """Whether a task that is enqueued in a transaction waits for its commit."""
        if self.task_options.on_commit is not None:
            return self.task_options.on_commit
        return self.supports_get_result or conf.send_on_commit

    def register_queues(self, registry: Receivers) -> None:
        """Register the SQS queues, whose receiver runs the tasks."""
        options = self.task_options
        for queue_name in sorted(self.queues):
            for level, name in options.sqs_names(queue_name):
                registry.register(
                    name,
                    TaskRunner(self),
                    message_class=JSONMessage,
                    timeout=options.timeout,
                    visibility_timeout=options.visibility_timeout,
                    dead_letter_queue=options.dead_letter_queue,
                    max_receives=options.max_receives if options.dead_letter_queue else None,
                    priority=level,
                    process_group=options.sqs_name(queue_name),
                )

    def validate_task(self, task: Task) -> None:
        """Refuse a task that this backend cannot run as it says.

        :raises InvalidTask: for instance ``run_after`` on a FIFO queue, where SQS takes no
            delay.
        """
        super().validate_task(task)
        if task.run_after is not None and task.queue_name.endswith(FIFO):
            raise InvalidTask("SQS takes no delay on a FIFO queue: run_after needs another queue.")

    def enqueue(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        """Enqueue a task; returns when SQS has accepted it.

        In a transaction it waits for the commit where :attr:`waits_for_commit` says so.

        :raises SQSError: SQS did not accept it.
        """
        result = self._new_result(task, args, kwargs)
        send = self._queue(task).prepare(
            body=TaskCall.of(result).to_json(),
            delay=delay_of(task.run_after),
            group_id=self._group(task),
        )

        def enqueue() -> None:
            try:
                send()
            except SQSError:
                self.store.discard([result])
                raise
            self._announce(result)

        self.store.create([result])
        self._now_or_at_commit(enqueue)
        return result

    async def aenqueue(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        """Enqueue from asynchronous code.

        Tasks that are awaited together share requests, unless they wait for a commit.
        """
        enqueue = sync_to_async(self.enqueue, thread_sensitive=self.waits_for_commit)
        result: TaskResult = await enqueue(task, args, kwargs)
        return result

    def enqueue_many(self, calls: Iterable[Call]) -> list[TaskResult]:
        """Enqueue many tasks, 10 in a request.

        :param calls: ``(task, args, kwargs)`` each.
        :returns: the results, in order.
        :raises SendManyFailed: SQS did not accept some; the others are enqueued.
        """
        results = [self._new_result(task, args, kwargs) for task, args, kwargs in calls]
        by_queue: dict[PlainQueue, list[TaskResult]] = defaultdict(list)
        for result in results:
            by_queue[self._queue(result.task)].append(result)

        self.store.create(results)
        for queue, batch in by_queue.items():
            self._now_or_at_commit(partial(self._enqueue_batch, queue, batch))
        return results

    async def aenqueue_many(self, calls: Iterable[Call]) -> list[TaskResult]:
        """:meth:`enqueue_many` from asynchronous code."""
        enqueue = sync_to_async(self.enqueue_many, thread_sensitive=self.waits_for_commit)
        results: list[TaskResult] = await enqueue(calls)
        return results

    def get_result(self, result_id: str) -> TaskResult:
        """The stored result.

        :raises TaskResultDoesNotExist: there is none.
        :raises NotImplementedError: the app django_sqs.results is not installed.
        """
        if not self.supports_get_result:
            return super().get_result(result_id)
        return self.store.get(result_id, self.alias)

    def _new_result(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        self.validate_task(task)
        return TaskResult(
            task=task,
            id=get_random_string(32),
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=list(args),
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )

    def _enqueue_batch(self, queue: PlainQueue, batch: list[TaskResult]) -> None:
        refused: set[int] = set()
        failure: SQSError | None = None
        try:
            # The plain class's method: this backend waits for the commit itself.
            PlainQueue.send_many(
                queue,
                [TaskCall.of(result).to_json() for result in batch],
                delay=[delay_of(result.task.run_after) for result in batch],
                group_id=[self._group(result.task) for result in batch],
            )
        except SendManyFailed as exc:
            failure = exc
            refused = {failed.number for failed in exc.failures}
            if exc.untried_from is not None:
                refused.update(range(exc.untried_from, len(batch)))
        except SQSError as exc:
            failure, refused = exc, set(range(len(batch)))
        self.store.discard([batch[number] for number in sorted(refused)])
        for number, result in enumerate(batch):
            if number not in refused:
                self._announce(result)
        if failure is not None:
            raise failure

    def _now_or_at_commit(self, enqueue: Callable[[], None]) -> None:
        if self.waits_for_commit:
            # Outside a transaction this is now.
            transaction.on_commit(enqueue)
        else:
            enqueue()

    def _queue(self, task: Task) -> PlainQueue:
        options = self.task_options
        return receivers.get(options.sqs_name(task.queue_name, options.level(task.priority)))

    def _group(self, task: Task) -> str | None:
        if not task.queue_name.endswith(FIFO):
            return None
        return task.module_path if self.task_options.message_group == "task" else "default"

    def _announce(self, result: TaskResult) -> None:
        task_enqueued.send(type(self), task_result=result)
