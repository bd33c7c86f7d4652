"""Store: what keeps the results of tasks; without one nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .framework import TaskResult, TaskResultDoesNotExist


class Store(Protocol):
    """Keeps results, by their ids."""

    def create(self, results: Sequence[TaskResult]) -> None:
        """Keep new results."""

    def discard(self, results: Sequence[TaskResult]) -> None:
        """Forget results whose tasks were not enqueued."""

    def begin(self, result: TaskResult) -> bool:
        """Note that *result*'s task starts; fill in what earlier attempts left.

        :returns: False where it was finished before, by a message delivered twice.
        """

    def update(self, result: TaskResult) -> None:
        """Note how an attempt ended."""

    def get(self, result_id: str, alias: str) -> TaskResult:
        """The result of that id, for the backend *alias*.

        :raises TaskResultDoesNotExist: there is none.
        """


class NoStore:
    """Keeps nothing."""

    def create(self, results: Sequence[TaskResult]) -> None:
        """Nothing."""

    def discard(self, results: Sequence[TaskResult]) -> None:
        """Nothing."""

    def begin(self, result: TaskResult) -> bool:
        """Every delivery is run."""
        return True

    def update(self, result: TaskResult) -> None:
        """Nothing."""

    def get(self, result_id: str, alias: str) -> TaskResult:
        """There never is one."""
        raise TaskResultDoesNotExist(result_id)
