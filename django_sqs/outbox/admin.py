"""The outbox in Django's admin: what waits, what has failed and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu.working import masked

from ..conf import conf
from ..language import Text, of_the_site
from ..row_admin import RowAdmin
from . import claims
from .models import OutboxMessage

#: What the list shows of an error.
ERROR = 120
STATES = {"waiting": _("waiting"), "being sent": _("being sent"), "failed": _("failed")}


class StateFilter(admin.SimpleListFilter):
    """Those that wait, or those that have failed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [("waiting", gettext("waiting")), ("failed", gettext("failed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the choice."""
        if self.value() is None:
            return queryset
        return queryset.filter(failed_at__isnull=self.value() == "waiting")


@admin.register(OutboxMessage)
class OutboxMessageAdmin(RowAdmin[OutboxMessage]):
    """Read-only; actions send rows again or set them aside, and delete them.

    It shows the database that the router has for the outbox.
    """

    list_display = ("queue_name", "state", "trouble", "age", "tries", "group_id")
    list_filter = (StateFilter, "queue_name")
    search_fields = ("=uid", "queue_name", "=group_id", "error")
    actions = ("send_again", "set_aside")
    # It is shown as SQS_MASK leaves it.
    concealed = ("body",)
    fields = (
        *("uid", "state", "queue_name", "suffix", "group_id", "deduplication_id", "created_at"),
        *("due_at", "tries", "refusals", "try_after", "claimed_until", "failed_at", "error"),
        *("content_type", "attributes", "text_shown"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of them."""
        return self.fields

    @admin.display(description=_("state"))
    def state(self, row: OutboxMessage) -> str:
        """Waiting, being sent or failed."""
        return str(STATES[row.state])

    @admin.display(description=_("age"), ordering="created_at")
    def age(self, row: OutboxMessage) -> str:
        """How long ago it was written."""
        return timesince(row.created_at)

    @admin.display(description=_("error"))
    def trouble(self, row: OutboxMessage) -> str:
        """The beginning of its error."""
        return Truncator(row.error).chars(ERROR)

    @admin.display(description=_("body"))
    def text_shown(self, row: OutboxMessage) -> str:
        """The body, as SQS_MASK leaves it."""
        mask = conf.mask
        return row.text if mask is None else masked(row.queue_name, row.text, mask)

    @admin.action(description=_("Send selected messages again"), permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        """Let the relay try those that have failed or wait for their next try."""
        count = self._noted(request, claims.send_again(queryset), _("Sent again."))
        said = ngettext(
            "To be sent again: %(count)d message.",
            "To be sent again: %(count)d messages.",
            count,
        )
        self.message_user(request, said % {"count": count})

    @admin.action(description=_("Set selected messages aside as failed"), permissions=["change"])
    def set_aside(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        """Skip those that are in the way; what is being sent now is not skipped."""
        with of_the_site():
            reason = gettext("Set aside by %(user)s") % {"user": request.user}
        count = self._noted(request, claims.set_aside(queryset, reason), _("Set aside."))
        said = ngettext(
            "Set aside as failed: %(count)d message.",
            "Set aside as failed: %(count)d messages.",
            count,
        )
        self.message_user(request, said % {"count": count})

    def delete_model(self, request: HttpRequest, obj: OutboxMessage) -> None:
        """Delete a message; another with its key of ``unique=`` may be sent."""
        self.delete_queryset(request, self.get_queryset(request).filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        """Delete messages; others with their keys of ``unique=`` may be sent."""
        with transaction.atomic(using=queryset.db):
            # What is being sent now will be received all the same.
            unsent = claims.unclaimed(queryset)
            super().delete_queryset(request, queryset)
            claims.free_keys(unsent, queryset.db)

    def _noted(
        self, request: HttpRequest, changed: Iterable[list[OutboxMessage]], says: Text
    ) -> int:
        """Note what was changed, as it is; return how many rows that were."""
        count = 0
        for rows in changed:
            self.note_all(request, rows, says)
            count += len(rows)
        return count
