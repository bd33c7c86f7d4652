"""Used tickets in Django's admin, to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ..row_admin import RowAdmin
from .models import UsedTicket


@admin.register(UsedTicket)
class UsedTicketAdmin(RowAdmin[UsedTicket]):
    """Read-only: without its row a cancelled message would run."""

    list_display = ("ticket_id", "cancelled", "used_at")
    list_filter = ("cancelled",)
    search_fields = ("=ticket_id",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one."""
        return False
