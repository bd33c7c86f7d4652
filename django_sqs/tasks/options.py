"""TaskOptions: what stands in OPTIONS of a task backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration.declaration import DEFAULT_MAX_RECEIVES

#: How the messages of a FIFO queue are grouped.
GROUPS = ("queue", "task")


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The options of an :class:`~django_sqs.tasks.SQSBackend`.

    :param queue_name_prefix: stands before a task queue's name in SQS, so that it is no
        receiver's.
    :param priority_levels: each gets an SQS queue of its own, and a task goes to the one
        of the highest level that its priority reaches.  Empty: priorities are refused.
    :param max_attempts: how often a failing task is tried, with a growing pause.
    :param timeout: seconds a task may run.
    :param visibility_timeout: seconds until the message of a process that died is
        redelivered; None: SQS_DEFAULT_VISIBILITY_TIMEOUT.
    :param dead_letter_queue: where SQS moves tasks that failed *max_receives* times,
        which then is the number of attempts.
    :param max_receives: 1 to 1,000; None: 5.
    :param on_commit: enqueue when the transaction is committed.  None: where results are
        stored, since a worker must find its row; else as SQS_SEND_ON_COMMIT says.
    :param message_group: of FIFO queues: ``"queue"``, strictly one after the other, or
        ``"task"``, in order for each task function.
    """

    queue_name_prefix: str = "tasks-"
    priority_levels: tuple[int, ...] = ()
    max_attempts: int = 1
    timeout: float | None = None
    visibility_timeout: int | None = None
    dead_letter_queue: str | None = None
    max_receives: int | None = None
    on_commit: bool | None = None
    message_group: str = "queue"

    @classmethod
    def read(cls, alias: str, options: Mapping[str, Any]) -> TaskOptions:
        """The options of the backend *alias*.

        :raises ImproperlyConfigured: one is unknown or cannot work.
        """
        where = f"TASKS[{alias!r}]['OPTIONS']"
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise ImproperlyConfigured(
                    f"{where} has no option {name!r}; there are {', '.join(known)}."
                )
        read = cls(**{**options, "priority_levels": tuple(options.get("priority_levels") or ())})
        if not isinstance(read.max_attempts, int) or read.max_attempts < 1:
            raise ImproperlyConfigured(
                f"{where}['max_attempts'] must be a whole number from 1, not {read.max_attempts!r}."
            )
        for level in read.priority_levels:
            if not isinstance(level, int) or not -100 <= level <= 100:
                raise ImproperlyConfigured(
                    f"{where}['priority_levels'] must be whole numbers from -100 to 100, "
                    f"not {level!r}."
                )
        if read.message_group not in GROUPS:
            raise ImproperlyConfigured(
                f"{where}['message_group'] must be one of {', '.join(GROUPS)}, "
                f"not {read.message_group!r}."
            )
        return read

    @property
    def attempts(self) -> int:
        """How often a failing task is tried."""
        if self.dead_letter_queue:
            return self.max_receives or DEFAULT_MAX_RECEIVES
        return self.max_attempts

    @property
    def levels(self) -> tuple[int, ...]:
        """The priority levels, highest first; 0 is always one."""
        return tuple(sorted({0, *self.priority_levels}, reverse=True))

    def level(self, priority: int) -> int:
        """The level of a task with *priority*."""
        return next((level for level in self.levels if level <= priority), self.levels[-1])

    def sqs_name(self, queue_name: str, level: int = 0) -> str:
        """The name, without SQS_QUEUE_PREFIX, of the SQS queue of a task queue's *level*."""
        stem = queue_name.removesuffix(FIFO)
        end = queue_name.removeprefix(stem)
        mark = f"-{'m' if level < 0 else 'p'}{abs(level)}" if level else ""
        return f"{self.queue_name_prefix}{stem}{mark}{end}"

    def sqs_names(self, queue_name: str) -> Iterator[tuple[int, str]]:
        """Each level of a task queue with the name of its SQS queue."""
        for level in self.levels:
            yield level, self.sqs_name(queue_name, level)
