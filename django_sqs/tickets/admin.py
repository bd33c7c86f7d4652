"""Used tickets in Django's admin, to look at; keys, to be found and given back."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu.registration import Unique

from ..registry import receivers
from ..row_admin import RowAdmin, moment
from .models import UniqueKey, UsedTicket

#: Characters of a digest that the list shows.
SHOWN = 12


@admin.register(UsedTicket)
class UsedTicketAdmin(RowAdmin[UsedTicket]):
    """Read-only: without its row a cancelled message would run."""

    list_display = ("ticket_id", "state", "used_at")
    fields = readonly_fields = list_display
    list_filter = ("cancelled",)
    search_fields = ("=ticket_id",)

    @admin.display(description=_("state"), ordering="cancelled")
    def state(self, row: UsedTicket) -> str:
        """What came first, in words: Django shows False as something that went wrong."""
        return row.state

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one."""
        return False


@admin.register(UniqueKey)
class UniqueKeyAdmin(RowAdmin[UniqueKey]):
    """Read-only; a key that is deleted is free, so that another message of it is sent.

    Keys are kept as digests, so the search takes a key as its sender wrote it.
    """

    list_display = ("short", "queue", "ticket_id", "held_until")
    search_fields = ("=ticket_id",)
    search_help_text = _("A key as it was given to unique=, in any queue, or the id of a ticket.")
    fields = readonly_fields = ("digest", "queue", "ticket_id", "held_until")

    @admin.display(description=_("digest"), ordering="digest")
    def short(self, row: UniqueKey) -> str:
        """The beginning of its digest, which tells it from others; its page has all of it."""
        return f"{row.digest[:SHOWN]}…"

    @admin.display(description=_("held until"), ordering="expires")
    def held_until(self, row: UniqueKey) -> str | None:
        """When another message of the key is sent, whatever becomes of this one."""
        return moment(datetime.fromtimestamp(row.expires, timezone.utc))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[UniqueKey], search_term: str
    ) -> tuple[QuerySet[UniqueKey], bool]:
        """The key of that text in each queue, or of that ticket."""
        term = search_term.strip()
        if not term:
            return queryset, False
        digests = [
            Unique(key, 0).digest(queue.full_name(suffix))
            for queue in receivers.queues.values()
            for suffix in (None, *queue.suffixes)
            # As it was typed, too: a key may begin or end with spaces.
            for key in {term, search_term}
        ]
        return queryset.filter(Q(ticket_id=term) | Q(digest__in=digests)), False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False
