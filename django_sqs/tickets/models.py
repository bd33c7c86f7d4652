"""UsedTicket: what became of a ticket first, which decides; UniqueKey: which message has a key."""

from __future__ import annotations

from django.db import models


class UsedTicket(models.Model):
    """A ticket whose message was cancelled, or with which a receiver has started."""

    ticket_id = models.CharField(max_length=100, primary_key=True)
    cancelled = models.BooleanField(help_text="Else a receiver has started with its message.")
    used_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.ticket_id} ({'cancelled' if self.cancelled else 'started'})"


class UniqueKey(models.Model):
    """A key that a message has, so that no other of its key is sent."""

    digest = models.CharField(max_length=64, primary_key=True, help_text="Of its queue and key.")
    ticket_id = models.CharField(
        max_length=100, db_index=True, help_text="Of the message that has it."
    )
    expires = models.FloatField(
        db_index=True, help_text="Until when it has it, in seconds since the epoch."
    )

    class Meta:
        default_permissions = ("delete", "view")

    def __str__(self) -> str:
        return self.digest
