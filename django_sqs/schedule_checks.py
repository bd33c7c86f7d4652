"""System checks: schedules that nobody could keep, with the fix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register

from django_sqs_kombu.registration import slots_problem
from django_sqs_kombu.working import LONGEST_CATCH_UP

from .problems import problems
from .registry import receivers
from .tasks.schedules import task_schedules

APP_MISSING = "django_sqs.E004"
BAD_TASK = "django_sqs.E007"


@register("django_sqs")
def check_schedules(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every schedule has what sends each slot once, and a task that can be called."""
    if any(problem.stops_commands for problem in problems()):
        return []
    found: list[CheckMessage] = []
    queues = [queue for queue in receivers.select() if queue.schedule is not None]
    for queue in queues:
        found += _missing(f"Queue {queue.name!r}", queue.name, queue.options.catch_up)
    for each in task_schedules.values():
        label = f"Task {each.task.module_path}"
        found += _missing(label, each.queue_name, each.catch_up, each.name)
        if any(queue.name == each.name for queue in queues):
            # A slot is sent once for its name, to the queue or to the task.
            text = f"{label} and queue {each.name!r} have schedules of the same name."
            hint = "Give the task's another name, by name= of @scheduled."
            found.append(Error(text, hint=hint, obj=each.name, id=BAD_TASK))
        if wrong := each.problem():
            text = f"{label} has a schedule, but cannot be enqueued: {wrong}"
            hint = "See args= and kwargs= of @scheduled, and the setting TASKS."
            found.append(Error(text, hint=hint, obj=each.name, id=BAD_TASK))
    return found


def _missing(
    label: str, queue_name: str, catch_up: timedelta | None, name: str | None = None
) -> list[CheckMessage]:
    """The apps that a schedule needs and has not got."""
    wanted = ["django_sqs.schedules", "django_sqs.outbox"]
    missing = [app for app in wanted if not apps.is_installed(app)]
    if wanted[0] in missing and slots_problem(queue_name, catch_up) is None:
        # SQS sees to it that each slot is sent once.
        return []
    return [
        Error(
            f"{label} has a schedule, which needs {app}.",
            hint=f"Add {app!r} to INSTALLED_APPS and migrate; or use a FIFO queue, with "
            f"catch_up= of {LONGEST_CATCH_UP} at most.",
            obj=name or queue_name,
            id=APP_MISSING,
        )
        for app in missing
    ]
