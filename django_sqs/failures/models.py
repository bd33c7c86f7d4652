"""Failed deliveries, and groups of those that failed alike."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class FailureGroup(models.Model):
    """Failures of one queue that are alike: the same exception from the same place.

    :ivar seen: failed deliveries ever; *waiting*: those that wait for somebody to decide.
    """

    fingerprint = models.CharField(max_length=40, unique=True, verbose_name=_("fingerprint"))
    queue_name = models.CharField(
        max_length=80,
        help_text=_("The name that the queue is registered with."),
        verbose_name=_("queue name"),
    )
    error_class = models.CharField(max_length=200, verbose_name=_("error class"))
    error = models.CharField(
        max_length=500, help_text=_("That of the latest failure."), verbose_name=_("error")
    )
    seen = models.PositiveBigIntegerField(default=0, verbose_name=_("failures in all"))
    waiting = models.BigIntegerField(default=0, db_index=True, verbose_name=_("waiting"))
    first_seen = models.DateTimeField(verbose_name=_("first seen"))
    last_seen = models.DateTimeField(db_index=True, verbose_name=_("last seen"))

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("group of failures")
        verbose_name_plural = _("groups of failures")

    def __str__(self) -> str:
        return gettext("%(error)s in %(queue)s") % {
            "error": self.error_class,
            "queue": self.queue_name,
        }


class State(models.TextChoices):
    """Where a failed message is."""

    WAITING = "waiting", _("waits here")
    IN_QUEUE = "in_queue", _("left to SQS")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent again")
    DISCARDED = "discarded", _("discarded")


class Failure(models.Model):
    """One failed delivery of a message.

    :ivar body: as SQS had it, or the payload that S3 had in its place; what is sent again.
    :ivar text: of the body, what people may see.
    :ivar receipt: tells deliveries from one another, and dead letters that were taken out of SQS.
    :ivar note: why it could not be sent again.
    """

    group = models.ForeignKey(
        FailureGroup, models.CASCADE, related_name="failures", verbose_name=_("group")
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING, verbose_name=_("state")
    )
    queue_name = models.CharField(
        max_length=80,
        help_text=_("The name that the queue is registered with."),
        verbose_name=_("queue name"),
    )
    full_name = models.CharField(
        max_length=80, help_text=_("The queue's name in SQS."), verbose_name=_("full name")
    )
    message_id = models.CharField(max_length=100, db_index=True, verbose_name=_("message id"))
    receipt = models.CharField(max_length=40, unique=True, verbose_name=_("receipt"))
    body = models.TextField(blank=True, verbose_name=_("body"))
    text = models.TextField(blank=True, verbose_name=_("text"))
    attributes = models.JSONField(default=dict, verbose_name=_("attributes"))
    message_group = models.CharField(max_length=128, blank=True, verbose_name=_("message group"))
    trace = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text=_("The trace header of AWS X-Ray."),
        verbose_name=_("trace"),
    )
    error_class = models.CharField(max_length=200, verbose_name=_("error class"))
    error = models.CharField(max_length=1000, verbose_name=_("error"))
    traceback = models.TextField(blank=True, verbose_name=_("traceback"))
    receive_count = models.PositiveIntegerField(default=1, verbose_name=_("receive count"))
    worker = models.CharField(max_length=120, blank=True, verbose_name=_("worker"))
    sent_at = models.DateTimeField(null=True, verbose_name=_("sent at"))
    failed_at = models.DateTimeField(db_index=True, verbose_name=_("failed at"))
    changed_at = models.DateTimeField(null=True, verbose_name=_("changed at"))
    changed_by = models.CharField(max_length=150, blank=True, verbose_name=_("changed by"))
    note = models.CharField(max_length=500, blank=True, verbose_name=_("note"))

    class Meta:
        verbose_name = _("failed message")
        verbose_name_plural = _("failed messages")
        default_permissions = ("view",)
        permissions = (
            ("body_failure", "Can see bodies of failed messages"),
            ("send_failure", "Can send failed messages again"),
            ("discard_failure", "Can discard failed messages"),
        )
        indexes = (
            models.Index(fields=["group", "state", "id"], name="django_sqs_failure_group"),
            models.Index(fields=["state", "id"], name="django_sqs_failure_state"),
        )

    def __str__(self) -> str:
        return gettext("%(message)s of %(queue)s") % {
            "message": self.message_id,
            "queue": self.queue_name,
        }
