"""Waiting: tasks that are enqueued when a batch() ends, or when a transaction is committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from django.db import Error as DatabaseError

from django_sqs_kombu.exceptions import SendFailure, SendManyFailed, SQSError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.quotas import MAX_MESSAGE_BYTES
from django_sqs_kombu.registration import Prepared, may_be_there, open_batch

from ..batches import joining_batch
from ..commits import when_all_committed
from ..database_errors import as_database_errors
from ..portions import as_json
from ..registry import receivers
from .commit import open_transactions
from .framework import TaskResult
from .options import TaskOptions
from .store import Store
from .unique import give_back

logger = get_logger(__name__)

#: Characters of arguments up to which a message surely has room for them, however it is written.
SMALL = MAX_MESSAGE_BYTES // 8

#: Sends to SQS; what was not accepted it raises.
Send = Callable[[], None]


class Waiting:
    """The part of the backend that has tasks wait."""

    task_options: TaskOptions

    @property
    def store(self) -> Store:
        """Where results are kept."""
        raise NotImplementedError

    def _prepared(self, result: TaskResult) -> Prepared:
        raise NotImplementedError

    def _send(self, batch: Sequence[TaskResult], send: Send, *, known: bool = False) -> None:
        raise NotImplementedError

    def _announce(self, result: TaskResult) -> None:
        raise NotImplementedError

    def _kept(self, results: Sequence[TaskResult], *, known: bool) -> bool:
        """Have a batch that is open send the tasks at its end; return whether there is one."""
        block = open_batch(receivers)
        if block is None:
            return False
        refused: list[SendFailure] = []
        for number, result in enumerate(results):
            message, tag, error = self._prepared(result), (result, known), None
            try:
                if block.add(*message.parts, follower=self._heard, tag=tag):
                    continue
                message()  # It has ended meanwhile, in another thread.
            except SQSError as exc:
                error = exc
                refused.append(SendFailure(number, message.outgoing.body, exc))
            self._heard([(tag, error)])
        if refused:
            name, sent = message.queue.name, len(results) - len(refused)
            many = SendManyFailed(name, sent, refused, None)
            raise many if len(results) > 1 else refused[0].error
        return True

    def _heard(self, ends: Sequence[tuple[tuple[TaskResult, bool], SQSError | None]]) -> None:
        """A batch has ended; what became of each task."""
        for (result, _), error in ends:
            if error is None:
                self._announce(result)
        for (result, _), error in ends:
            if error is not None and not may_be_there(error):
                give_back(result)
        try:
            with as_database_errors():
                for (result, known), error in ends:
                    if error is not None and known:
                        self.store.fail([result], error)
                self.store.discard(
                    [result for (result, known), error in ends if error and not known]
                )
        except DatabaseError as exc:
            # In a transaction that is rolled back they are gone in any case.
            logger.error(
                "The results of tasks that were not enqueued could not be updated: %s", exc
            )

    # Waiting for the commit.

    def _wait(self, databases: Sequence[str], batch: list[TaskResult], send: Send) -> None:
        enqueue = partial(self._enqueue_known, batch, send)
        joining = joining_batch(receivers, enqueue, databases)
        when_all_committed(
            receivers,
            databases,
            partial(self._send_later, databases, batch, joining),
            partial(self._give_back, batch),
        )

    def _enqueue_known(self, batch: list[TaskResult], send: Send) -> None:
        if not self._kept(batch, known=True):
            self._send(batch, send, known=True)

    def _check_sizes(self, results: Sequence[TaskResult]) -> None:
        """Raise for tasks that are too large, of which nobody would hear at the commit.

        :raises MessageEncodeError: SQS would not take one.
        """
        for result in results:
            if len(as_json([result.args, result.kwargs])) > SMALL:
                self._prepared(result).check()

    def _open_transactions(self) -> list[str]:
        """The databases whose commit is waited for."""
        if not self.task_options.on_commit:
            return []
        return open_transactions(self.store.using)

    def _creates_now(self, databases: Sequence[str]) -> bool:
        # A result beside somebody else's transaction would outlive its rollback.
        return list(databases) in ([], [self.store.using])

    def _give_back(self, batch: list[TaskResult]) -> None:
        """A transaction is rolled back, but that of the keys may not be."""
        for result in batch:
            give_back(result)

    def _send_later(self, databases: Sequence[str], batch: list[TaskResult], send: Send) -> None:
        # Nobody is there to hear of it, and what else waits for the commit is to be done.
        try:
            if not self._creates_now(databases):
                self.store.create(batch)
            send()
        except (SQSError, DatabaseError) as exc:
            paths = ", ".join(sorted({result.task.module_path for result in batch}))
            logger.error("Tasks were not enqueued at the commit (%s): %s", paths, exc, exc_info=exc)
        except Exception:
            # A test's, which runs tasks in place of sending them, is to hear of it.
            if receivers.outlet is not None:
                raise
            logger.exception("Some or all tasks were not enqueued at the commit")
