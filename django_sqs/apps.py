"""The app: finds the receivers and registers the checks."""

import logging
import os
import sys
from typing import Any

import django
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules

from django_sqs_kombu.registration import Receivers

from .worker.starting import stop_while_starting

OLDEST_DJANGO = (5, 2)


class DjangoSQSConfig(AppConfig):
    """Imports ``receivers.py`` of every installed app, and registers the tasks' queues."""

    name = "django_sqs"
    verbose_name = "Amazon SQS"

    def __init__(self, app_name: str, app_module: Any) -> None:
        super().__init__(app_name, app_module)
        # Models and receivers, which are imported from here on, may take seconds.
        stop_while_starting(sys.argv)

    def ready(self) -> None:
        """Find the receivers."""
        # Django is an extra of the package, so pip may not have compared the two.
        if django.VERSION < OLDEST_DJANGO:
            oldest = ".".join(map(str, OLDEST_DJANGO))
            raise ImproperlyConfigured(
                f"django_sqs needs Django {oldest} or newer; Django {django.get_version()} is "
                "installed. pip install --upgrade 'django-sqs[django]' brings one"
            )
        import django_sqs.checks
        import django_sqs.database_checks
        import django_sqs.policy_checks
        import django_sqs.schedule_checks
        import django_sqs.tenant_checks
        import django_sqs.unique_checks  # noqa: F401 - registers them

        from .conf import conf
        from .registry import receivers
        from .tasks.registration import register_task_queues
        from .tasks.schedules import task_schedules
        from .wake.calls import announce
        from .web.runserver import receive_with_runserver
        from .worker import slots

        enable_logs()
        log_as_django_sqs()
        autodiscover_modules("receivers")
        register_task_queues(receivers)
        announce(receivers)
        slots.announce(receivers, task_schedules.values)
        receivers.load_middleware()
        if conf.opentelemetry:
            instrument(receivers)
        receive_with_runserver(sys.argv, os.environ)
        setting_changed.connect(receivers.reconnect, dispatch_uid="django_sqs.reconnect")


def enable_logs() -> None:
    """Enable the library's loggers: LOGGING disables those that the settings themselves imported.

    It does unless it says ``"disable_existing_loggers": False``, and then nobody would hear of
    messages that fail.  Levels, and not this, say what a project does not want to hear.
    """
    for name, logger in list(logging.root.manager.loggerDict.items()):
        ours = name.partition(".")[0] in ("django_sqs", "django_sqs_kombu")
        if ours and isinstance(logger, logging.Logger):
            logger.disabled = False


def log_as_django_sqs() -> None:
    """Have the library's other half logged where a project configured ``django_sqs``.

    That is the logger of the original, too.  A project that configures both keeps both.
    """
    other = logging.getLogger("django_sqs_kombu")
    if not other.handlers and other.propagate:
        other.parent = logging.getLogger("django_sqs")
        # Loggers remember the levels that they had by their old parent until one is set.
        other.setLevel(other.level)


def instrument(receivers: Receivers) -> None:
    """Add OpenTelemetry to what is sent and received.

    :raises ImproperlyConfigured: its API is not installed.
    """
    try:
        from django_sqs_kombu.otel import OpenTelemetry
    except ImportError as exc:
        raise ImproperlyConfigured(
            "SQS_OPENTELEMETRY needs the extra: pip install 'django-sqs[otel]'"
        ) from exc
    if not any(isinstance(each, OpenTelemetry) for each in receivers.middleware):
        receivers.middleware.append(OpenTelemetry())
