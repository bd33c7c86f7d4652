"""Registration of the queues of every SQSBackend in the setting TASKS."""

from __future__ import annotations

from django.utils.module_loading import autodiscover_modules, import_string

from django_sqs_kombu.registration import Receivers

from ..conf import conf


def register_task_queues(receivers: Receivers) -> None:
    """Register the queues of the task backends, and import every app's ``tasks.py``."""
    ours = [alias for alias, backend in conf.tasks.items() if _is_ours(backend.get("BACKEND", ""))]
    if not ours:
        return
    from .framework import task_backends

    for alias in ours:
        task_backends[alias].register_queues(receivers)
    # A worker runs only tasks that are imported.
    autodiscover_modules("tasks")


def _is_ours(path: str) -> bool:
    if path.startswith("django_sqs.tasks."):
        return True
    try:
        classes = import_string(path).__mro__
    except (ImportError, AttributeError):
        # The framework itself reports what cannot be imported.
        return False
    return any(cls.__module__.startswith("django_sqs.tasks.") for cls in classes)
