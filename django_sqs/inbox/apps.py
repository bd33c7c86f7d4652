"""The app of received messages."""

from django.apps import AppConfig


class InboxConfig(AppConfig):
    """Remembers which messages were received."""

    name = "django_sqs.inbox"
    label = "django_sqs_inbox"
    verbose_name = "Amazon SQS inbox"
    default_auto_field = "django.db.models.BigAutoField"
