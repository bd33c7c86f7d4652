"""The app: finds the receivers and registers the checks."""

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules


class DjangoSQSConfig(AppConfig):
    """Imports ``receivers.py`` of every installed app, and registers the tasks' queues."""

    name = "django_sqs"
    verbose_name = "Amazon SQS"

    def ready(self) -> None:
        """Find the receivers."""
        from . import checks  # noqa: F401 - registers them
        from .registry import receivers
        from .tasks.registration import register_task_queues

        autodiscover_modules("receivers")
        register_task_queues(receivers)
        setting_changed.connect(receivers.reconnect, dispatch_uid="django_sqs.reconnect")
