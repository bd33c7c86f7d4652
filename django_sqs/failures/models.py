"""Failed deliveries, and groups of those that failed alike."""

from __future__ import annotations

from django.db import models


class FailureGroup(models.Model):
    """Failures of one queue that are alike: the same exception from the same place.

    :ivar seen: failed deliveries ever; *waiting*: those that wait for somebody to decide.
    """

    fingerprint = models.CharField(max_length=40, unique=True)
    queue_name = models.CharField(max_length=80, help_text="As it was registered.")
    error_class = models.CharField(max_length=200)
    error = models.CharField(max_length=500, help_text="Of the latest.")
    seen = models.PositiveBigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0, db_index=True)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name = "group of failures"
        verbose_name_plural = "groups of failures"

    def __str__(self) -> str:
        return f"{self.error_class} in {self.queue_name}"


class State(models.TextChoices):
    """Where a failed message is."""

    WAITING = "waiting", "waits here"
    IN_QUEUE = "in_queue", "still in SQS"
    SENDING = "sending", "being sent"
    SENT = "sent", "sent again"
    DISCARDED = "discarded", "discarded"


class Failure(models.Model):
    """One failed delivery of a message.

    :ivar body: as SQS had it, or the payload that S3 had in its place; what is sent again.
    :ivar text: of the body, what people may see.
    :ivar receipt: tells deliveries from one another.
    :ivar note: why it could not be sent again.
    """

    group = models.ForeignKey(FailureGroup, models.CASCADE, related_name="failures")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    queue_name = models.CharField(max_length=80, help_text="As it was registered.")
    full_name = models.CharField(max_length=80, help_text="In SQS.")
    message_id = models.CharField(max_length=100, db_index=True)
    receipt = models.CharField(max_length=40, unique=True)
    body = models.TextField(blank=True)
    text = models.TextField(blank=True)
    attributes = models.JSONField(default=dict)
    message_group = models.CharField(max_length=128, blank=True)
    trace = models.CharField(max_length=500, blank=True, help_text="X-Ray's header.")
    error_class = models.CharField(max_length=200)
    error = models.CharField(max_length=1000)
    traceback = models.TextField(blank=True)
    receive_count = models.PositiveIntegerField(default=1)
    worker = models.CharField(max_length=120, blank=True)
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(db_index=True)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=150, blank=True)
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "failed message"
        verbose_name_plural = "failed messages"
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
        return f"{self.message_id} of {self.queue_name}"
