"""The app of received messages."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InboxConfig(AppConfig):
    """Remembers which messages were received."""

    name = "django_sqs.inbox"
    label = "django_sqs_inbox"
    verbose_name = _("Amazon SQS inbox")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce it to receivers with ``once=True``."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..optional import inboxes
        from .once import run_all_once

        inboxes.announce(self.name, run_all_once)
