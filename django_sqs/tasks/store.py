"""Store: what keeps the results of tasks; without one nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from django.db import DEFAULT_DB_ALIAS

from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.transport import Note

from .framework import TaskResult, TaskResultDoesNotExist, TaskResultStatus
from .wire import TaskCall


class Store(Protocol):
    """Keeps results, by their ids.

    What its database refuses for a reason that can pass it raises as EnvironmentFailure.
    """

    @property
    def using(self) -> str:
        """The alias of its database."""

    def create(self, results: Sequence[TaskResult]) -> None:
        """Keep new results."""

    def discard(self, results: Sequence[TaskResult]) -> None:
        """Forget results whose tasks were not enqueued."""

    def fail(self, results: Sequence[TaskResult], exc: BaseException) -> None:
        """Note that tasks whose results are known already could not be enqueued."""

    def begin(
        self, result: TaskResult, call: TaskCall, message: RawMessage
    ) -> TaskResultStatus | None:
        """Note that *result*'s task starts; fill in what earlier attempts left.

        :param message: the call's.
        :returns: how it ended before, where its message was delivered again; None: it runs.
        :raises TaskRefused: the result of that id is another call's.
        """

    def ended(self, result: TaskResult, call: TaskCall) -> Note | None:
        """How an attempt ended; None: it is written already."""

    def failed(self, call: TaskCall, exc: BaseException) -> Note | None:
        """That a task failed without having ended, if its result is that call's."""

    def get(self, result_id: str, alias: str) -> TaskResult:
        """The result of that id, for the backend *alias*.

        :raises TaskResultDoesNotExist: there is none.
        """


class NoStore:
    """Keeps nothing."""

    using = DEFAULT_DB_ALIAS

    def create(self, results: Sequence[TaskResult]) -> None:
        """Nothing."""

    def discard(self, results: Sequence[TaskResult]) -> None:
        """Nothing."""

    def fail(self, results: Sequence[TaskResult], exc: BaseException) -> None:
        """Nothing."""

    def begin(
        self, result: TaskResult, call: TaskCall, message: RawMessage
    ) -> TaskResultStatus | None:
        """Every delivery is run."""
        return None

    def ended(self, result: TaskResult, call: TaskCall) -> Note | None:
        """Nothing is written."""
        return None

    def failed(self, call: TaskCall, exc: BaseException) -> Note | None:
        """Nothing is written."""
        return None

    def get(self, result_id: str, alias: str) -> TaskResult:
        """There never is one."""
        raise TaskResultDoesNotExist(result_id)
