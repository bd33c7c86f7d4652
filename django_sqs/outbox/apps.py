"""The app of messages to send."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OutboxConfig(AppConfig):
    """Keeps messages until they are sent."""

    name = "django_sqs.outbox"
    label = "django_sqs_outbox"
    verbose_name = _("Amazon SQS outbox")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce it to what sends with ``outbox=True``, and its relay to workers."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..optional import metrics, outboxes
        from ..worker.companions import beside_workers
        from . import (
            checks,  # noqa: F401 - registers them
            writing,
        )
        from .backlog import gauges
        from .companion import relay_beside

        outboxes.announce(self.name, writing)
        beside_workers.announce(self.name, relay_beside)
        metrics.announce(self.name, gauges)
