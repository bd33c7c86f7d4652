"""The inbox in Django's admin: which messages were received, to search and to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from .models import ReceivedMessage

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[ReceivedMessage]
else:
    # Django's own cannot be subscripted.
    _ModelAdmin = admin.ModelAdmin


@admin.register(ReceivedMessage)
class ReceivedMessageAdmin(_ModelAdmin):
    """Read-only; a message that is deleted here has its effect again when it comes again."""

    list_display = ("message_id", "queue", "received_at")
    list_filter = ("queue",)
    search_fields = ("=message_id", "queue")
    # A count of a table of millions takes longer than anybody waits.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a message here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReceivedMessage]:
        """The rows, where they are written: a replica may not know them yet."""
        return super().get_queryset(request).using(router.db_for_write(ReceivedMessage))
