"""The app of the pages about queues."""

from django.apps import AppConfig


class MonitorConfig(AppConfig):
    """Remembers what workers do, and shows it."""

    name = "django_sqs.monitor"
    label = "django_sqs_monitor"
    verbose_name = "Amazon SQS"
    #: Seconds between two heartbeats; a worker that was not seen for three is taken for dead.
    record_period = 10.0
    #: Seconds for which a receiver may run before the pages say that it may be stuck.
    stuck_after = 900.0
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce what records to runreceiver."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..worker.companions import beside_fleets
        from .recorder import Recorder

        beside_fleets.announce(self.name, Recorder)
