"""OutboxMessage: a message that was committed and is to be sent."""

from __future__ import annotations

import uuid

from django.db import models


class OutboxMessage(models.Model):
    """A message to send; its row is deleted when SQS has accepted it."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    queue_name = models.CharField(max_length=80, help_text="As it was registered.")
    suffix = models.CharField(max_length=80, blank=True)
    body = models.TextField()
    content_type = models.CharField(max_length=100)
    attributes = models.JSONField(default=dict)
    group_id = models.CharField(max_length=128, blank=True)
    deduplication_id = models.CharField(max_length=128, blank=True)
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    tries = models.PositiveIntegerField(default=0)
    try_after = models.DateTimeField(null=True, db_index=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.uid} for {self.queue_name}"


class RelayLock(models.Model):
    """One row, which the relay that sends holds."""

    taken_at = models.DateTimeField(auto_now=True)
