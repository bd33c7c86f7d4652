"""ReceivedMessage: a message whose receiver has had its effect."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class ReceivedMessage(models.Model):
    """A message that was received, by its id."""

    queue = models.CharField(
        max_length=80, help_text=_("The queue's name in SQS."), verbose_name=_("queue")
    )
    message_id = models.CharField(max_length=100, verbose_name=_("message id"))
    received_at = models.DateTimeField(
        auto_now_add=True, db_index=True, verbose_name=_("received at")
    )

    class Meta:
        verbose_name = _("received message")
        verbose_name_plural = _("received messages")
        default_permissions = ("delete", "view")
        constraints = (
            models.UniqueConstraint(fields=["queue", "message_id"], name="django_sqs_inbox_once"),
        )

    def __str__(self) -> str:
        return gettext("%(message)s of %(queue)s") % {
            "message": self.message_id,
            "queue": self.queue,
        }
