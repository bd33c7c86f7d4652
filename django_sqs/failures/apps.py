"""The app of failed messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu.logs import get_logger

from ..conf import conf
from ..named import function_of

logger = get_logger(__name__)


class FailuresConfig(AppConfig):
    """Keeps failed messages in the database.

    A project that wants it otherwise names a subclass in INSTALLED_APPS.

    :cvar notes: whether failures are noted; else only what sqs_bury finds.
    :cvar keep_body: whether bodies are kept; without its body nothing can be sent again.
    :cvar mask: a function, or its dotted path, that is given a queue's name and a body as text,
        and returns what people may see and search of it, or None for nothing; default: that
        of SQS_MASK.
    :cvar most_text: characters of a body, and of a traceback, that are shown and searched.
    """

    name = "django_sqs.failures"
    label = "django_sqs_failures"
    verbose_name = _("Amazon SQS failures")
    default_auto_field = "django.db.models.BigAutoField"
    notes = True
    keep_body = True
    mask: str | Callable[[str, str], str | None] | None = None
    most_text = 20_000

    def ready(self) -> None:
        """Have failures of the project's queues noted."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..operations.choosing import noted_failures
        from ..optional import metrics, waiting_failures
        from ..registry import receivers
        from ..worker.companions import beside_workers
        from .burying import companion
        from .checks import check_mask  # noqa: F401 - registers it
        from .counting import gauges, waiting_by_queue
        from .noted import failed_with
        from .noting import FailureNotes

        if self.notes and not any(isinstance(each, FailureNotes) for each in receivers.middleware):
            receivers.middleware.append(FailureNotes())
        beside_workers.announce("django_sqs.failures", companion)
        metrics.announce("django_sqs.failures", gauges)
        waiting_failures.announce("django_sqs.failures", waiting_by_queue)
        noted_failures.announce("django_sqs.failures", failed_with)

    @property
    def masks(self) -> bool:
        """Whether what people see of a body may be other than the body."""
        return self._mask is not None

    @property
    def _mask(self) -> Any:
        # Of the class: a function would be bound to this object.
        own: Any = type(self).mask
        return conf.mask if own is None else own

    def shown(self, queue: str, text: str) -> str:
        """What people may see of a body."""
        mask = self._mask
        if mask is not None:
            try:
                masked = function_of(mask)(queue, text)
                text = masked if isinstance(masked, str) else ""
            except Exception as exc:  # noqa: BLE001 - the failure is kept, and nothing is shown
                # Its text may quote what is not to be seen.
                logger.error("The mask of queue %s failed: %s", queue, type(exc).__qualname__)
                text = ""
        return text[: self.most_text]
