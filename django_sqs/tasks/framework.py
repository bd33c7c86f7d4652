"""The Tasks framework: Django's own from 6.0 on, the package django-tasks before it."""

# mypy: disable-error-code="no-redef"

from __future__ import annotations

from typing import Any

import django
from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.exceptions import kind_of
from django_sqs_kombu.printable import traceback_of

if django.VERSION >= (6, 0):
    from django.tasks import task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json
else:
    try:
        from django_tasks import task_backends
    except ImportError as exc:
        raise ImproperlyConfigured(
            "Before Django 6.0, tasks need the package django-tasks: pip install "
            "'django-sqs[tasks]'"
        ) from exc
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import normalize_json

    try:
        # As Django calls it; what is released up to 0.12 does not.
        from django_tasks.exceptions import InvalidTask
    except ImportError:
        from django_tasks.exceptions import InvalidTaskError as InvalidTask


#: The characters of an error's traceback that results keep.
LONGEST_TRACEBACK = 50_000


def error_of(exc: BaseException) -> TaskError:
    """An exception as results keep it; of a long traceback the end."""
    cls = kind_of(exc)
    trace = traceback_of(exc)
    if len(trace) > LONGEST_TRACEBACK:
        trace = "...\n" + trace[-LONGEST_TRACEBACK:]
    return TaskError(
        exception_class_path=f"{cls.__module__}.{cls.__qualname__}",
        traceback=trace,
    )


def set_fields(result: TaskResult, **values: Any) -> None:
    """Set fields of a result, which is frozen for everybody else."""
    for name, value in values.items():
        object.__setattr__(result, name, value)


__all__ = [
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "error_of",
    "normalize_json",
    "set_fields",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]
