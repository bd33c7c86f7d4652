"""KnownSchedule and Slot: since when there is a schedule, and which of its times were sent."""

from __future__ import annotations

from datetime import datetime, timezone

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class KnownSchedule(models.Model):
    """A schedule of a queue or of a task, as it is defined.

    During a deployment it may have two, the old one and the new one.
    """

    name = models.CharField(
        max_length=200, help_text=_("The name of the queue or the task."), verbose_name=_("name")
    )
    definition = models.CharField(max_length=200, verbose_name=_("definition"))
    since = models.BigIntegerField(
        help_text=_("Only slots after this time are sent, in seconds since 1970 (UTC)."),
        verbose_name=_("since"),
    )
    paused = models.BooleanField(default=False, verbose_name=_("paused"))

    class Meta:
        verbose_name_plural = _("schedules")
        default_permissions = ("change", "delete", "view")
        verbose_name = _("schedule")
        constraints = (
            models.UniqueConstraint(
                fields=["name", "definition"], name="django_sqs_schedules_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.definition}"


class Slot(models.Model):
    """A time of a schedule that was sent, in the transaction that wrote this row."""

    name = models.CharField(
        max_length=200, help_text=_("The name of the queue or the task."), verbose_name=_("name")
    )
    # A local time, where USE_TZ is False, would come twice when clocks are put back.
    slot = models.BigIntegerField(
        help_text=_("In seconds since 1970 (UTC)."), verbose_name=_("slot")
    )
    sent_at = models.DateTimeField(auto_now_add=True, db_index=True, verbose_name=_("sent at"))

    class Meta:
        verbose_name = _("slot")
        verbose_name_plural = _("slots")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=["name", "slot"], name="django_sqs_schedules_once"),
        )

    def __str__(self) -> str:
        return gettext("%(schedule)s at %(time)s") % {"schedule": self.name, "time": self.time}

    @property
    def time(self) -> datetime:
        """The slot, in UTC."""
        return datetime.fromtimestamp(self.slot, timezone.utc)
