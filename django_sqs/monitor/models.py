"""What is remembered of workers: their heartbeats, and what each queue's did by the minute."""

from __future__ import annotations

from django.db import models
from django.db.models import Value
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """A runreceiver that lives, or did until lately."""

    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    processes = models.PositiveIntegerField()
    threads = models.PositiveIntegerField()
    running = models.JSONField(default=dict, help_text="Running receivers by queue.")
    messages = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        help_text="Messages that have been running for a while.",
    )
    version = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="SQS_VERSION."
    )

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["host", "pid"], name="django_sqs_heartbeat_of"),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Did(models.Model):
    """What all receivers of a queue did in some time."""

    queue_name = models.CharField(
        max_length=80, help_text="The name that the queue is registered with."
    )
    received = models.PositiveBigIntegerField(default=0)
    deleted = models.PositiveBigIntegerField(default=0)
    requeued = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    released = models.PositiveBigIntegerField(default=0)
    unsettled = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="Seconds that receivers ran.")
    waited = models.FloatField(default=0, help_text="The longest wait of a message, in seconds.")
    busy = models.FloatField(
        default=0, db_default=0, help_text="Seconds that receivers were seen running."
    )

    class Meta:
        abstract = True


class QueueMinute(Did):
    """What all receivers of a queue did in one minute."""

    minute = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["queue_name", "minute"], name="django_sqs_minute_of"),
        )

    def __str__(self) -> str:
        return f"{self.queue_name} at {self.minute:%H:%M}"


class QueueHour(Did):
    """What all receivers of a queue did in one hour."""

    hour = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["queue_name", "hour"], name="django_sqs_hour_of"),
        )

    def __str__(self) -> str:
        return f"{self.queue_name} at {self.hour:%Y-%m-%d %H:00}"


class QueueReport(QueueMinute):
    """No row of its own: the place of the pages in the admin, and what users may do there.

    A proxy, since a model without a table breaks whatever goes through all models, such as
    ``dumpdata``.
    """

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        permissions = (
            ("peek_queuereport", "Can look at messages"),
            ("purge_queuereport", "Can delete all messages of a queue"),
            ("move_queuereport", "Can move messages, and redrive dead letters"),
            ("pause_queuereport", "Can pause and resume a queue"),
        )

    def __str__(self) -> str:
        return self.queue_name
