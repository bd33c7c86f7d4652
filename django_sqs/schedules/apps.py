"""The app of schedules."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SchedulesConfig(AppConfig):
    """Sends messages at the times that their queues are registered with."""

    name = "django_sqs.schedules"
    label = "django_sqs_schedules"
    verbose_name = _("Amazon SQS schedules")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce what ticks beside workers."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..worker.companions import beside_fleets, beside_sites
        from . import checks  # noqa: F401 - registers its check
        from .ticker import Ticker

        beside_fleets.announce(self.name, lambda beside: Ticker())
        beside_sites.announce(self.name, Ticker)
