"""KnownSchedule and Slot: since when there is a schedule, and which of its times were sent."""

from __future__ import annotations

from datetime import datetime, timezone

from django.db import models


class KnownSchedule(models.Model):
    """A schedule of a queue or of a task, as it is defined.

    During a deployment it may have two, the old one and the new one.
    """

    name = models.CharField(max_length=200, help_text="The queue's name, or the task's.")
    definition = models.CharField(max_length=200)
    since = models.BigIntegerField(
        help_text="Only slots after this are sent: seconds since 1970, UTC."
    )
    paused = models.BooleanField(default=False)

    class Meta:
        default_permissions = ("change", "delete", "view")
        verbose_name = "schedule"
        constraints = (
            models.UniqueConstraint(
                fields=["name", "definition"], name="django_sqs_schedules_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.definition}"


class Slot(models.Model):
    """A time of a schedule that was sent, in the transaction that wrote this row."""

    name = models.CharField(max_length=200, help_text="The queue's name, or the task's.")
    # A local time, where USE_TZ is False, would come twice when clocks are put back.
    slot = models.BigIntegerField(help_text="Seconds since 1970, UTC.")
    sent_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=["name", "slot"], name="django_sqs_schedules_once"),
        )

    def __str__(self) -> str:
        return f"{self.name} at {self.time}"

    @property
    def time(self) -> datetime:
        """The slot, in UTC."""
        return datetime.fromtimestamp(self.slot, timezone.utc)
