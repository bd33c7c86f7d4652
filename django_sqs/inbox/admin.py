"""The inbox in Django's admin: which messages were received, to search and to forget."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ..row_admin import RowAdmin
from .models import ReceivedMessage


@admin.register(ReceivedMessage)
class ReceivedMessageAdmin(RowAdmin[ReceivedMessage]):
    """Read-only; a message that is deleted here has its effect again when it comes again."""

    list_display = ("message_id", "queue", "received_at")
    list_filter = ("queue",)
    search_fields = ("=message_id", "queue")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False
