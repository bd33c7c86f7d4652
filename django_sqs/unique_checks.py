"""System check: unique tasks without a place for their keys, with the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from .registry import receivers
from .tasks.schedules import task_schedules
from .tasks.unique import unique_tasks

NO_KEYS = "django_sqs.E008"


@register("django_sqs")
def check_unique_tasks(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Every unique task can be enqueued: there is a table for its key."""
    if receivers.tickets is not None:
        return []
    # Of those with a schedule another check says it.
    told = {each.task.module_path for each in task_schedules.values()}
    return [
        Error(
            f"Task {path} is @unique, which needs a table for its keys.",
            hint="Add 'django_sqs.tickets' to INSTALLED_APPS and migrate.",
            obj=path,
            id=NO_KEYS,
        )
        for path, found in sorted(unique_tasks.items())
        if path not in told and _goes_to_sqs(found.task)
    ]


def _goes_to_sqs(task: Any) -> bool:
    """Whether the settings have a task sent, and not run at once, say."""
    from .tasks import SQSBackend

    return isinstance(task.get_backend(), SQSBackend)
