"""The app of tickets."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TicketsConfig(AppConfig):
    """Notes which messages were cancelled, and with which receivers have started."""

    name = "django_sqs.tickets"
    label = "django_sqs_tickets"
    verbose_name = _("Amazon SQS tickets")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce it to what sends and receives."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..optional import tickets
        from .store import DatabaseTickets

        tickets.announce(self.name, DatabaseTickets())
