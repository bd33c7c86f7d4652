"""The app of messages to send."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Keeps messages until they are sent."""

    name = "django_sqs.outbox"
    label = "django_sqs_outbox"
    verbose_name = "Amazon SQS outbox"
    default_auto_field = "django.db.models.BigAutoField"
