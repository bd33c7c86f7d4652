"""TaskSchedule: a task that is enqueued at the times of a schedule."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.utils.timezone import get_default_timezone_name

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.rules import shown
from django_sqs_kombu.working import Schedule

from .unique import schedule_problem

if TYPE_CHECKING:
    from .backend import SQSBackend

T = TypeVar("T")

#: Characters of a name, for which the tables have room.
LONGEST_NAME = 200

#: Those of this process, by their names.
task_schedules: dict[str, TaskSchedule] = {}


@dataclass(frozen=True, slots=True)
class TaskSchedule:
    """A task with its arguments, and when it is enqueued.

    :param name: no other schedule has it.
    :param task: of the Tasks framework.
    :param catch_up: as it was said, if it was.
    """

    name: str
    task: Any
    schedule: Schedule
    catch_up: timedelta | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def queue_name(self) -> str:
        """The task's queue, as the framework names it."""
        return str(self.task.queue_name)

    @property
    def sends_slots(self) -> bool:
        """Whether SQS sees to it that each slot is sent once: without django_sqs.schedules."""
        return self.queue_name.endswith(FIFO) and not apps.is_installed("django_sqs.schedules")

    def write_slot(self, slot: datetime, using: str) -> None:
        """Enqueue the task for a slot by the outbox, in the transaction of the database *using*."""
        self._backend.write(self._call, deduplication_id=self._id(slot), using=using)

    def send_slot(self, slot: datetime) -> None:
        """Enqueue the task for a slot in a FIFO queue, which keeps the first for each slot."""
        self._backend.write(self._call, deduplication_id=self._id(slot), using=None)

    def problem(self) -> str | None:
        """Why the task cannot be enqueued; None: it can."""
        try:
            if not hasattr(self._backend, "write"):
                return "its backend in TASKS is not django_sqs.tasks.SQSBackend"
            # Only where there is a Tasks framework.
            from .wire import check_can_be_run, new_result

            self._backend.validate_task(self.task)
            check_can_be_run(self.task)
            new_result(self._backend.alias, *self._call)
            context = [None] if self.task.takes_context else []
            inspect.signature(self.task.func).bind(*context, *self.args, **self.kwargs)
        except Exception as exc:  # noqa: BLE001 - whatever the framework or a value raises
            return str(exc) or repr(exc)
        return schedule_problem(self.task.module_path, self.sends_slots)

    @property
    def _call(self) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        return self.task, self.args, dict(self.kwargs)

    @property
    def _backend(self) -> SQSBackend:
        backend: SQSBackend = self.task.get_backend()
        return backend

    def _id(self, slot: datetime) -> str:
        # Other schedules enqueue to the same queue.
        digest = hashlib.sha256(self.name.encode()).hexdigest()[:32]
        return f"schedule-{digest}-{int(slot.timestamp())}"


def scheduled(
    *,
    every: timedelta | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    catch_up: timedelta | None = None,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Callable[[T], T]:
    """Enqueue a task at the times of a schedule; put it above ``@task``.

    :param every, cron, timezone, catch_up: see :class:`~django_sqs_kombu.working.Schedule`;
        *timezone* is by default the setting TIME_ZONE.
    :param args: the positional arguments of the task.
    :param kwargs: the keyword arguments of the task.
    :param name: of the schedule; default: the task's dotted path.  If a task has several
        schedules, all but one need a name.
    :raises ConfigurationError: the schedule is invalid, the decorated object is not a task, or
        another schedule has the name.
    """

    def decorate(task: T) -> T:
        path = getattr(task, "module_path", None)
        if path is None or not hasattr(task, "get_backend"):
            raise ConfigurationError(
                f"@scheduled is for tasks, not for {shown(task)}: write it above @task"
            )
        own = str(name or path)
        where = f"Schedule {own!r}: "
        if len(own) > LONGEST_NAME:
            raise ConfigurationError(
                f"{where}its name is longer than {LONGEST_NAME} characters; give it name="
            )
        if isinstance(args, str | bytes):
            raise ConfigurationError(f"{where}args= is a list, not {args!r}: args=[{args!r}]")
        zone = get_default_timezone_name() if cron is not None and timezone is None else timezone
        schedule = Schedule.read(where, every, cron, zone, catch_up)
        if schedule is None:
            raise ConfigurationError(f"{where}give every= or cron=")
        earlier = task_schedules.get(own)
        # A module that is loaded anew may schedule its tasks again.
        if earlier is not None and (
            earlier.task.module_path != path or earlier.task.func is task.func  # type: ignore[attr-defined]
        ):
            raise ConfigurationError(
                f"{where}{earlier.task.module_path} already has a schedule of this name; give one "
                "of them another name="
            )
        task_schedules[own] = TaskSchedule(
            own, task, schedule, catch_up, tuple(args), dict(kwargs or {})
        )
        return task

    return decorate
