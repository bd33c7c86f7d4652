"""OutboxMessage: a message that was committed and is to be sent."""

from __future__ import annotations

import json
import uuid

from django.db import models
from django.utils import timezone


class OutboxMessage(models.Model):
    """A message to send; its row is deleted when SQS has accepted it.

    It waits, or a relay has claimed it until ``claimed_until``, or it has failed: then no relay
    touches it until somebody sends it again or deletes it.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    queue_name = models.CharField(max_length=80, help_text="As it was registered.")
    suffix = models.CharField(max_length=80, blank=True)
    body = models.TextField()
    escaped = models.BooleanField(
        default=False, help_text="The body is a JSON string, since databases take no NUL."
    )
    content_type = models.CharField(max_length=100)
    attributes = models.JSONField(default=dict)
    group_id = models.CharField(max_length=128, blank=True)
    deduplication_id = models.CharField(max_length=128, blank=True)
    due_at = models.DateTimeField(null=True, help_text="When it may be received.")
    expires = models.FloatField(
        null=True,
        help_text="When it is too late to start its receiver, in seconds since the epoch.",
    )
    ticket = models.BooleanField(default=False, help_text="Whether it can be cancelled.")
    frees = models.CharField(
        max_length=10, blank=True, help_text="When it gives back its key of unique=."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_by = models.UUIDField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveIntegerField(default=0, help_text="That did not succeed.")
    refusals = models.PositiveIntegerField(
        default=0, help_text="Those of the tries that failed for the message's own sake."
    )
    try_after = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True, help_text="When it was given up.")
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("pk",)
        default_permissions = ("change", "delete", "view")
        verbose_name = "message to send"
        verbose_name_plural = "messages to send"
        indexes = (
            models.Index(
                fields=["failed_at", "queue_name", "suffix", "id"], name="django_sqs_outbox_queue"
            ),
            models.Index(
                fields=["queue_name", "suffix", "group_id", "id"], name="django_sqs_outbox_group"
            ),
        )

    def __str__(self) -> str:
        return f"{self.uid} for {self.queue_name}"

    @property
    def state(self) -> str:
        """``"failed"``, ``"being sent"`` or ``"waiting"``."""
        if self.failed_at is not None:
            return "failed"
        claimed = self.claimed_until is not None and self.claimed_until > timezone.now()
        return "being sent" if claimed else "waiting"

    @property
    def text(self) -> str:
        """The body as it is to be sent."""
        return str(json.loads(self.body)) if self.escaped else self.body

    @text.setter
    def text(self, text: str) -> None:
        # PostgreSQL takes none in a text.
        self.escaped = "\0" in text
        self.body = json.dumps(text) if self.escaped else text
