"""The app of stored results."""

from django.apps import AppConfig


class ResultsConfig(AppConfig):
    """Keeps the results of tasks in the database."""

    name = "django_sqs.results"
    label = "django_sqs_results"
    verbose_name = "Amazon SQS task results"
    default_auto_field = "django.db.models.BigAutoField"
