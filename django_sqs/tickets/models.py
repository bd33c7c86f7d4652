"""UsedTicket: what became of a ticket first, which decides; UniqueKey: which message has a key."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class UsedTicket(models.Model):
    """A ticket whose message was cancelled, or with which a receiver has started."""

    ticket_id = models.CharField(max_length=100, primary_key=True, verbose_name=_("ticket id"))
    cancelled = models.BooleanField(
        help_text=_("If not, a receiver has started with its message."), verbose_name=_("cancelled")
    )
    used_at = models.DateTimeField(auto_now_add=True, db_index=True, verbose_name=_("used at"))

    class Meta:
        verbose_name = _("used ticket")
        verbose_name_plural = _("used tickets")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.ticket_id} ({self.state})"

    @property
    def state(self) -> str:
        """What became of it first."""
        return gettext("cancelled") if self.cancelled else gettext("started")


class UniqueKey(models.Model):
    """A key that a message has, so that no other of its key is sent."""

    digest = models.CharField(
        max_length=64,
        primary_key=True,
        help_text=_("Digest of its queue and its key."),
        verbose_name=_("digest"),
    )
    ticket_id = models.CharField(
        max_length=100,
        db_index=True,
        help_text=_("The ticket of the message that holds the key."),
        verbose_name=_("ticket id"),
    )
    # The database has the default, too, for processes that have not heard of the column yet.
    queue = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        help_text=_("The queue's name in SQS."),
        verbose_name=_("queue"),
    )
    expires = models.FloatField(
        db_index=True,
        help_text=_("When it stops holding the key, in seconds since 1970 (UTC)."),
        verbose_name=_("expires"),
    )
    seconds = models.FloatField(
        null=True,
        help_text=_("For how long it was taken."),
        verbose_name=_("seconds"),
    )

    class Meta:
        verbose_name = _("unique key")
        verbose_name_plural = _("unique keys")
        default_permissions = ("delete", "view")

    def __str__(self) -> str:
        return f"{self.digest} ({self.queue})" if self.queue else self.digest
