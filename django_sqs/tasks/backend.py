"""SQSBackend: enqueues tasks as messages, which runreceiver runs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.messages import JSONMessage
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration import Prepared, Receivers, errors_of
from django_sqs_kombu.registration import RegisteredQueue as PlainQueue
from django_sqs_kombu.rules import check_several

from ..key_database import KeyDatabase
from ..optional import outboxes
from ..registry import receivers
from .framework import (
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    set_fields,
    task_enqueued,
)
from .options import TaskOptions, check_queues
from .runner import TaskRunner
from .sqs_task import SQSTask
from .store import NoStore, Store
from .stores import stores
from .unique import claim, giving_back, is_unique, options_of, ticket_of
from .waiting import Send, Waiting
from .wire import Call, as_call, body_of, check_can_be_run, delay_of, new_result

logger = get_logger(__name__)

NOT_INSTALLED = "django_sqs.E005"


class SQSBackend(Waiting, BaseTaskBackend):  # type: ignore[misc]
    """A backend of Django's Tasks framework on Amazon SQS.

    ``TASKS = {"default": {"BACKEND": "django_sqs.tasks.SQSBackend", "QUEUES": [...],
    "OPTIONS": {...}}}``; the options are those of
    :class:`~django_sqs.tasks.options.TaskOptions`.  ``runreceiver`` runs the tasks.
    """

    task_class = SQSTask

    supports_defer = True
    """``run_after``: SQS's delay up to 15 minutes; a later task is sent on until it is due."""

    supports_async_task = True
    """Coroutines are run as receivers are that are coroutines."""

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        check_queues(alias, params)
        super().__init__(alias, params)
        self.task_options = TaskOptions.read(alias, self.options)
        #: The names of queues, by a task's queue and priority.
        self._names: dict[tuple[str, int], str] = {}

    @property
    def supports_get_result(self) -> bool:
        """Results are stored if the app django_sqs.results is installed."""
        return apps.is_installed("django_sqs.results")

    @property
    def supports_priority(self) -> bool:
        """Priorities are supported if the option ``priority_levels`` names some."""
        return bool(self.task_options.priority_levels)

    @property
    def store(self) -> Store:
        """Where results are kept."""
        if not self.supports_get_result:
            return NoStore()
        return stores.of("django_sqs.results", f"TASKS[{self.alias!r}]")()

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """The app that runs the tasks is installed."""
        found: list[CheckMessage] = list(super().check(**kwargs))
        if not apps.is_installed("django_sqs"):
            found.append(
                Error(
                    f"TASKS[{self.alias!r}] needs 'django_sqs' in INSTALLED_APPS.",
                    hint="Its runreceiver runs the tasks.",
                    obj=f"TASKS[{self.alias!r}]",
                    id=NOT_INSTALLED,
                )
            )
        return found

    def register_queues(self, registry: Receivers) -> None:
        """Register the SQS queues, whose receiver runs the tasks."""
        options = self.task_options
        for queue_name in sorted(self.queues):
            for level, name in options.sqs_names(queue_name):
                registry.register(
                    name,
                    TaskRunner(self, queue_name),
                    message_class=JSONMessage,
                    timeout=options.timeout,
                    visibility_timeout=options.visibility_timeout,
                    dead_letter_queue=options.dead_letter_queue,
                    max_receives=options.max_receives if options.dead_letter_queue else None,
                    priority=level,
                    process_group=options.sqs_name(queue_name),
                    retry=options.policy.retry,
                    discard=options.policy.discard,
                    dead_letter=options.policy.dead_letter,
                    on_error=options.on_error,
                )

    def validate_task(self, task: Task) -> None:
        """Refuse a task that this backend cannot run as declared.

        :raises InvalidTask: for instance ``run_after`` on a FIFO queue, which does not
            support delays.
        """
        super().validate_task(task)
        if task.run_after is not None and task.queue_name.endswith(FIFO):
            raise InvalidTask("run_after needs a queue that is not FIFO: SQS takes no delay there.")

    def enqueue(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        """Enqueue a task; return when SQS has accepted it.

        In a transaction it waits for the commit, unless the option ``on_commit`` is False; if SQS
        then refuses it, that is logged, and its result is FAILED.

        :raises InvalidTask: the worker could not find the task.
        :raises MessageTooLarge: its arguments are too large for a message.
        :raises SQSError: SQS did not accept it.
        """
        return self._enqueue(self._new_result(task, args, kwargs))

    def enqueue_unless_there(
        self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]
    ) -> tuple[TaskResult, bool]:
        """:meth:`enqueue`, which also says whether the task was enqueued.

        :returns: its result and True; or False with that of the one that has its key of
            ``@unique``.
        """
        result = self._new_result(task, args, kwargs)
        own_id = result.id
        result = self._enqueue(result)
        return result, result.id == own_id

    def _enqueue(self, result: TaskResult) -> TaskResult:
        result, send = self._ready(result)
        if send is not None:
            self._send([result], send)
        return result

    async def aenqueue(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        """Enqueue from asynchronous code.

        Tasks that are awaited together share requests, unless they wait for a commit.
        """
        # Whoever awaits it may be cancelled, as by a client that goes: what has begun is done to
        # its end, or a result, and its key, would wait for a message that was never sent.
        if is_unique(task):
            return await sync_to_async(self.enqueue)(task, args, kwargs)
        return await asyncio.shield(self._aenqueue(task, args, kwargs))

    async def _aenqueue(
        self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]
    ) -> TaskResult:
        # A transaction, and every connection, belongs to the thread of Django's database code.
        result, send = await sync_to_async(self._begin)(task, args, kwargs)
        if send is not None:
            try:
                await sync_to_async(send, thread_sensitive=False)()
            except SQSError:
                await sync_to_async(self.store.discard)([result])
                raise
            await sync_to_async(self._announce)(result)
        return result

    def enqueue_many(self, calls: Iterable[Call]) -> list[TaskResult]:
        """Enqueue many tasks, 10 in a request.

        :param calls: a ``(task, args, kwargs)`` for each.
        :returns: the results, in order.
        :raises InvalidTask: the worker could not find one of the tasks; none is enqueued.
        :raises ConfigurationError: *calls*, or the args of a call, are a single value.
        :raises MessageTooLarge: one is too large, in a transaction; none is enqueued.
        :raises SendManyFailed: SQS did not accept some; the others are enqueued.  Of several
            queues it names those of the first.
        """
        results = self._new_results(calls)
        if databases := self._open_transactions():
            self._check_sizes(results)
        failure: SQSError | None = None
        by_queue: dict[PlainQueue, list[TaskResult]] = defaultdict(list)
        last: Task | None = None
        together: list[TaskResult] | None = None
        for place, result in enumerate(results):
            if result.task is not last:
                last = result.task
                together = None if is_unique(last) else by_queue[self._queue(last)]
            if together is not None:
                together.append(result)
                continue
            # Which of them are sent is asked one by one.
            try:
                results[place] = self._enqueue(result)
            except SQSError as exc:
                failure = failure or exc
        if self._creates_now(databases):
            self.store.create([result for batch in by_queue.values() for result in batch])
        for queue, batch in by_queue.items():
            send = partial(self._send_many, queue, batch)
            try:
                if databases:
                    self._wait(databases, batch, send)
                elif not self._kept(batch, known=False):
                    self._send(batch, send)
            except SQSError as exc:
                # Those of the other queues are enqueued all the same.
                failure = failure or exc
        if failure is not None:
            raise failure
        return results

    def write(self, call: Call, *, deduplication_id: str, using: str | None) -> None:
        """Enqueue a task through the outbox, in a transaction of the database *using*.

        :param deduplication_id: for a FIFO queue.
        :param using: None: at once, to a FIFO queue.
        :raises InvalidTask: the worker could not find the task.
        """
        result = self._new_result(*call)
        if using is not None and is_unique(result.task):
            # Its row is the only one of the slot; what SQS drops could not give its key back.
            send = self._prepared(result)
        else:
            send = self._prepared(result, deduplication_id)
        if using is None:
            send.send()
            return
        queue = self._queue(call[0])
        outbox = outboxes.of("django_sqs.outbox", f"The schedule of task {call[0].module_path}")
        if send.outgoing.unique is not None:
            KeyDatabase.of(queue.name, queue.receivers.tickets).check_outbox(using)
        write = partial(outbox.write, queue, None, send.outgoing, using=using)
        with transaction.atomic(using=using):
            if not send.claim_and(write).sent:
                return
            # A result in another database would outlive a rollback; the worker writes it then.
            if self.store.using == using:
                self.store.create([result])
            transaction.on_commit(partial(self._announce, result), using)

    async def aenqueue_many(self, calls: Iterable[Call]) -> list[TaskResult]:
        """:meth:`enqueue_many` from asynchronous code."""
        return await sync_to_async(self.enqueue_many)(calls)

    def get_result(self, result_id: str) -> TaskResult:
        """Return the stored result.

        :raises TaskResultDoesNotExist: there is none.
        :raises NotImplementedError: the app django_sqs.results is not installed.
        """
        if not self.supports_get_result:
            return super().get_result(result_id)
        return self.store.get(result_id, self.alias)

    def _begin(
        self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]
    ) -> tuple[TaskResult, Send | None]:
        return self._ready(self._new_result(task, args, kwargs))

    def _ready(self, result: TaskResult) -> tuple[TaskResult, Send | None]:
        """All of :meth:`enqueue` that needs no SQS; None: the rest waits, or there is none."""
        if databases := self._open_transactions():
            self._check_sizes([result])
        send = self._prepared(result)
        if send.outgoing.unique is not None and (owner := claim(send, databases)) is not None:
            return self._result_of(owner, result), None
        with giving_back(result):
            if self._creates_now(databases):
                self.store.create([result])
        if databases:
            self._wait(databases, [result], send)
        elif not self._kept([result], known=False):
            return result, send
        return result, None

    def _new_result(self, task: Task, args: Iterable[Any], kwargs: dict[str, Any]) -> TaskResult:
        return self._new_results([(task, args, kwargs)])[0]

    def _new_results(self, calls: Iterable[Call]) -> list[TaskResult]:
        results: list[TaskResult] = []
        checked: Task | None = None
        check_several("enqueue_many() takes calls, each (task, args, kwargs)", calls)
        for task, args, kwargs in map(as_call, calls):
            # Of many calls of a task it is found out once whether it can be enqueued.
            if task is not checked:
                self.validate_task(task)
                check_can_be_run(task)
                checked = task
            results.append(new_result(self.alias, task, args, kwargs))
        return results

    def _result_of(self, owner: str, result: TaskResult) -> TaskResult:
        """The result of the task that has the key of *result*'s."""
        try:
            return self.store.get(owner, self.alias)
        except TaskResultDoesNotExist:
            # Nobody keeps it, or it was sent in a transaction that has not written it yet.
            set_fields(result, id=owner, enqueued_at=None)
            return result

    def _prepared(self, result: TaskResult, deduplication_id: str | None = None) -> Prepared:
        task = result.task
        send: Prepared = self._queue(task).prepare(
            body=body_of(result),
            delay=delay_of(task.run_after),
            group_id=self._group(task),
            deduplication_id=deduplication_id if task.queue_name.endswith(FIFO) else None,
            **options_of(result),
        )
        if send.outgoing.unique is None:
            return send
        return replace(send, outgoing=replace(send.outgoing, id=ticket_of(result)))

    # Sending.

    def _send(self, batch: Sequence[TaskResult], send: Send, *, known: bool = False) -> None:
        """Send, and announce what SQS has accepted.

        :param known: whether somebody has the results already: then those that were not
            enqueued have failed, else they are forgotten.
        """
        errors: list[SQSError | None] = [None] * len(batch)
        failure: SQSError | None = None
        try:
            send()
        except SQSError as exc:
            failure, errors = exc, errors_of(exc, len(batch))
        unsent = [result for result, error in zip(batch, errors, strict=True) if error is not None]
        if failure is not None and known:
            self.store.fail(unsent, failure)
        elif failure is not None:
            self.store.discard(unsent)
        for result, error in zip(batch, errors, strict=True):
            if error is None:
                self._announce(result)
        if failure is not None:
            raise failure

    def _send_many(self, queue: PlainQueue, batch: list[TaskResult]) -> None:
        # The plain class's method: this backend waits for the commit itself.
        PlainQueue.send_many(
            queue,
            [body_of(result) for result in batch],
            delay=[delay_of(result.task.run_after) for result in batch],
            group_id=[self._group(result.task) for result in batch],
        )

    def _queue(self, task: Task) -> PlainQueue:
        if not apps.is_installed("django_sqs"):
            raise ImproperlyConfigured(
                f"TASKS[{self.alias!r}] needs 'django_sqs' in INSTALLED_APPS: its runreceiver runs "
                "the tasks."
            )
        options = self.task_options
        of = task.queue_name, task.priority
        if (name := self._names.get(of)) is None:
            name = options.sqs_name(task.queue_name, options.level(task.priority))
            self._names[of] = name
        registered = receivers.queues.get(name)
        runner = registered and registered.receiver
        if not isinstance(runner, TaskRunner) or runner.runs_with != (self.alias, options):
            # TASKS was changed since the start, as by a test's override_settings.
            self.register_queues(receivers)
        return receivers.get(name)

    def _group(self, task: Task) -> str | None:
        if not task.queue_name.endswith(FIFO):
            return None
        return task.module_path if self.task_options.message_group == "task" else "default"

    def _announce(self, result: TaskResult) -> None:
        # A listener that fails is the log's: the task is in SQS.
        task_enqueued.send_robust(type(self), task_result=result)
