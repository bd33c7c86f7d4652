"""TaskOptions: the OPTIONS of a task backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration import DEFAULT_MAX_RECEIVES, LONGEST_TIMEOUT
from django_sqs_kombu.rules import (
    MAX_RECEIVES,
    VISIBILITY_TIMEOUT,
    Rule,
    above_zero,
    flag,
    mapping,
    nearest,
    one_of,
    optional,
    shown,
    string,
    text,
    whole,
)
from django_sqs_kombu.working import NO_POLICY, Policy

from ..named import one_or_several, policy_of, retry_rule

#: How the messages of a FIFO queue are grouped.
GROUPS = ("queue", "task")


_LEVEL = whole(-100, 100)


def _levels(value: Any) -> str | None:
    if isinstance(value, list | tuple | set | frozenset | range) and not any(map(_LEVEL, value)):
        return None
    return "must be whole numbers from -100 to 100"


_RULES: dict[str, Rule] = {
    "queue_name_prefix": string,
    "priority_levels": optional(_levels),
    "max_attempts": whole(1),
    "timeout": optional(above_zero(LONGEST_TIMEOUT)),
    "visibility_timeout": optional(VISIBILITY_TIMEOUT),
    "dead_letter_queue": optional(text),
    "max_receives": optional(MAX_RECEIVES),
    "on_commit": flag,
    "message_group": one_of(GROUPS),
    "coroutines": flag,
    "retry": optional(retry_rule),
    "discard": optional(one_or_several),
    "dead_letter": optional(one_or_several),
}


def check_queues(alias: str, params: Mapping[str, Any]) -> None:
    """Raise :class:`ImproperlyConfigured` if the QUEUES of a task backend are no names."""
    if "QUEUES" not in params:
        return  # There is one, "default".
    value = params["QUEUES"]
    if not isinstance(value, Iterable) or isinstance(value, str | bytes) or any(map(text, value)):
        raise ImproperlyConfigured(
            f"TASKS[{alias!r}]['QUEUES'] must be a list of names, not {shown(value)}."
        )
    if not value:
        raise ImproperlyConfigured(
            f"TASKS[{alias!r}]['QUEUES'] must name the queues: each is a queue in SQS, from "
            "which runreceiver receives."
        )


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The options of an :class:`~django_sqs.tasks.SQSBackend`.

    :param queue_name_prefix: prefix of a task queue's name in SQS, so that it is not a
        receiver's.
    :param priority_levels: each gets its own SQS queue, and a task goes to the queue of
        the highest level that its priority reaches.  Empty: priorities are refused.
    :param max_attempts: how often a failing task is tried, with growing pauses.
    :param timeout: seconds a task may run.
    :param visibility_timeout: seconds until the message of a process that died is
        redelivered; None: SQS_DEFAULT_VISIBILITY_TIMEOUT.
    :param dead_letter_queue: where SQS moves tasks that failed *max_receives* times,
        which is then the number of attempts.
    :param max_receives: 1 to 1,000; None: 5.
    :param on_commit: enqueue when the surrounding transaction is committed, and not at all if
        it is rolled back; False: at once.
    :param message_group: for FIFO queues: ``"queue"`` runs strictly one after the other,
        ``"task"`` keeps the order of each task function.
    :param coroutines: whether tasks run together on one event loop if ``runreceiver`` has
        ``--coroutines``; the others then run in ``--threads`` threads.
    :param retry: like the setting SQS_RETRY, instead of *max_attempts*.
    :param discard: exceptions, or their dotted paths, after which a task is not tried again.
    :param dead_letter: exceptions whose message is sent to the dead-letter queue, with the reason.
    :param on_error: ``"delete"``, as in ``@receiver``.
    """

    queue_name_prefix: str = "tasks-"
    priority_levels: tuple[int, ...] = ()
    max_attempts: int = 1
    timeout: float | None = None
    visibility_timeout: int | None = None
    dead_letter_queue: str | None = None
    max_receives: int | None = None
    on_commit: bool = True
    message_group: str = "queue"
    coroutines: bool = False
    retry: Any = None
    discard: Any = None
    dead_letter: Any = None
    on_error: str | None = None
    policy: Policy = field(default=NO_POLICY, init=False)

    @classmethod
    def read(cls, alias: str, options: Mapping[str, Any]) -> TaskOptions:
        """The options of the backend *alias*.

        :raises ImproperlyConfigured: one is unknown or cannot work.
        """
        where = f"TASKS[{alias!r}]['OPTIONS']"
        if wrong := mapping(options):
            raise ImproperlyConfigured(f"{where} {wrong}, not {shown(options)}.")
        known = [each.name for each in fields(cls) if each.init]
        for name in options:
            if name not in known:
                near = nearest(name, known)
                raise ImproperlyConfigured(f"{where} has no option {name!r}{near}")
        read = cls(**options)
        for name, rule in _RULES.items():
            value = getattr(read, name)
            if wrong := rule(value):
                raise ImproperlyConfigured(f"{where}[{name!r}] {wrong}, not {shown(value)}.")
        if read.max_receives is not None and read.dead_letter_queue is None:
            raise ImproperlyConfigured(
                f"{where}['max_receives'] is meaningful only with 'dead_letter_queue'."
            )
        if read.retry is not None and read.max_attempts != 1:
            raise ImproperlyConfigured(f"{where}: give 'retry' or 'max_attempts', not both.")
        levels = replace(read, priority_levels=tuple(read.priority_levels or ()))
        try:
            policy = policy_of(read.retry, read.discard, read.dead_letter, read.on_error)
        except (ImportError, ConfigurationError) as exc:
            raise ImproperlyConfigured(f"{where}: {exc}") from exc
        object.__setattr__(levels, "policy", policy)
        return levels

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
