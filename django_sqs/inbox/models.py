"""ReceivedMessage: a message whose receiver has had its effect."""

from __future__ import annotations

from django.db import models


class ReceivedMessage(models.Model):
    """A message that was received, by its id."""

    queue = models.CharField(max_length=80, help_text="The queue's name in SQS.")
    message_id = models.CharField(max_length=100)
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        default_permissions = ("delete", "view")
        constraints = (
            models.UniqueConstraint(fields=["queue", "message_id"], name="django_sqs_inbox_once"),
        )

    def __str__(self) -> str:
        return f"{self.message_id} of {self.queue}"
