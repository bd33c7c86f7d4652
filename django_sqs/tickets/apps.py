"""The app of tickets."""

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """Notes which messages were cancelled, and with which receivers have started."""

    name = "django_sqs.tickets"
    label = "django_sqs_tickets"
    verbose_name = "Amazon SQS tickets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce it to what sends and receives."""
        from ..optional import tickets
        from .store import DatabaseTickets

        tickets.announce(self.name, DatabaseTickets())
