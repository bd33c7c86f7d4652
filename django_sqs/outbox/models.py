"""OutboxMessage: a message that was committed and is to be sent."""

from __future__ import annotations

import json
import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class OutboxMessage(models.Model):
    """A message to send; its row is deleted when SQS has accepted it.

    It waits, or a relay has claimed it until ``claimed_until``, or it has failed: then no relay
    touches it until somebody sends it again or deletes it.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, verbose_name=_("UUID"))
    queue_name = models.CharField(
        max_length=80,
        help_text=_("The name that the queue is registered with."),
        verbose_name=_("queue name"),
    )
    suffix = models.CharField(max_length=80, blank=True, verbose_name=_("suffix"))
    body = models.TextField(verbose_name=_("body"))
    escaped = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Whether the body is kept as a JSON string, since databases accept no NUL."),
        verbose_name=_("escaped"),
    )
    content_type = models.CharField(max_length=100, verbose_name=_("content type"))
    attributes = models.JSONField(default=dict, verbose_name=_("attributes"))
    group_id = models.CharField(max_length=128, blank=True, verbose_name=_("group id"))
    deduplication_id = models.CharField(
        max_length=128, blank=True, verbose_name=_("deduplication id")
    )
    due_at = models.DateTimeField(
        null=True,
        help_text=_("The earliest time at which it can be received."),
        verbose_name=_("due at"),
    )
    expires = models.FloatField(
        null=True,
        help_text=_("When it is too late to start its receiver, in seconds since 1970 (UTC)."),
        verbose_name=_("expires"),
    )
    ticket = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Whether it can be cancelled."),
        verbose_name=_("ticket"),
    )
    frees = models.CharField(
        max_length=10,
        blank=True,
        default="",
        db_default="",
        help_text=_("When it gives back its key of unique=."),
        verbose_name=_("frees"),
    )
    created_at = models.DateTimeField(auto_now_add=True, verbose_name=_("created at"))
    claimed_by = models.UUIDField(null=True, editable=False, verbose_name=_("claimed by"))
    claimed_until = models.DateTimeField(null=True, editable=False, verbose_name=_("claimed until"))
    tries = models.PositiveIntegerField(
        default=0, help_text=_("Those that did not succeed."), verbose_name=_("tries")
    )
    refusals = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text=_("Those of the tries in which SQS refused the message itself."),
        verbose_name=_("refusals"),
    )
    try_after = models.DateTimeField(null=True, verbose_name=_("try after"))
    failed_at = models.DateTimeField(
        null=True, help_text=_("When the message was set aside."), verbose_name=_("failed at")
    )
    error = models.TextField(blank=True, verbose_name=_("error"))

    class Meta:
        ordering = ("pk",)
        default_permissions = ("change", "delete", "view")
        verbose_name = _("message to send")
        verbose_name_plural = _("messages to send")
        indexes = (
            models.Index(
                fields=["failed_at", "queue_name", "suffix", "id"], name="django_sqs_outbox_queue"
            ),
            models.Index(
                fields=["queue_name", "suffix", "group_id", "id"], name="django_sqs_outbox_group"
            ),
        )

    def __str__(self) -> str:
        return gettext("%(message)s for %(queue)s") % {
            "message": self.uid,
            "queue": self.queue_name,
        }

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
