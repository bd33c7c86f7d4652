"""The message of a task: what the backend writes and the runner reads."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone

from django_sqs_kombu.exceptions import MessageDecodeError, MessageTargetMissing

from .framework import Task, TaskResult


class UnknownTask(MessageTargetMissing):
    """A message names a task that this process does not have.

    :ivar path: the task's dotted path.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no task {path!r} here. A task is found in the modules that are imported, "
            "tasks.py of every installed app among them; an older or newer version of the "
            "project may have sent it."
        )
        self.path = path


class Enqueued(Protocol):
    """How a task was enqueued: as a message or a stored result says it."""

    @property
    def priority(self) -> int:
        """Its priority."""

    @property
    def queue_name(self) -> str:
        """Its queue, as the framework names it."""

    @property
    def run_after(self) -> datetime | None:
        """The earliest that it may run."""


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A task with its arguments, as it travels.

    :param id: of the result.
    :param path: the task's dotted path.
    :param enqueued_at: when it was sent, and *run_after* the earliest it may run.
    """

    id: str
    path: str
    args: list[Any]
    kwargs: dict[str, Any]
    priority: int
    queue_name: str
    enqueued_at: datetime
    run_after: datetime | None

    @classmethod
    def of(cls, result: TaskResult) -> TaskCall:
        """The call that *result* is to be the result of."""
        task = result.task
        return cls(
            result.id,
            task.module_path,
            result.args,
            result.kwargs,
            task.priority,
            task.queue_name,
            result.enqueued_at,
            task.run_after,
        )

    def to_json(self) -> dict[str, Any]:
        """What goes into the message."""
        data: dict[str, Any] = {
            "id": self.id,
            "task": self.path,
            "args": self.args,
            "kwargs": self.kwargs,
            "queue": self.queue_name,
            "enqueued_at": self.enqueued_at.isoformat(),
        }
        if self.priority:
            data["priority"] = self.priority
        if self.run_after:
            data["run_after"] = self.run_after.isoformat()
        return data

    @classmethod
    def from_json(cls, data: Any) -> TaskCall:
        """The call in a message.

        :raises MessageDecodeError: it holds something else.
        """
        try:
            run_after = data.get("run_after")
            call = cls(
                str(data["id"]),
                str(data["task"]),
                list(data["args"]),
                dict(data["kwargs"]),
                int(data.get("priority", 0)),
                str(data["queue"]),
                datetime.fromisoformat(data["enqueued_at"]),
                datetime.fromisoformat(run_after) if run_after else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise MessageDecodeError(f"The message is no task's: {exc!r}") from exc
        return call

    def task(self, backend: str) -> Task:
        """The task, as it was enqueued.

        :raises UnknownTask: this process has no such task.
        """
        module, _, name = self.path.rpartition(".")
        # Never imported: whoever may write to the queue must not choose what is.
        found = getattr(sys.modules.get(module), name, None)
        if not isinstance(found, Task):
            raise UnknownTask(self.path)
        return as_enqueued(found, self, backend)


def as_enqueued(task: Task, call: Enqueued, backend: str) -> Task:
    """*task* as it was when *call* enqueued it on *backend*."""
    return replace(
        task,
        priority=call.priority,
        queue_name=call.queue_name,
        run_after=call.run_after,
        backend=backend,
    )


def delay_of(run_after: datetime | None) -> float | None:
    """Seconds until *run_after*, 0 where it has passed; None for None."""
    if run_after is None:
        return None
    now = timezone.now()
    if not timezone.is_aware(run_after):
        now = timezone.make_naive(now)
    return max(0.0, (run_after - now).total_seconds())
