"""RowAdmin: rows that the library writes, for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from .language import Text, of_the_site
from .written import Row

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
else:
    # Django's own cannot be subscripted.
    class _ModelAdmin(admin.ModelAdmin):
        def __class_getitem__(cls, item: Any) -> Any:
            return cls


class RowAdmin(_ModelAdmin[Row]):
    """Nobody adds a row; it shows the database that rows are written to."""

    # A count of a table of millions takes longer than anybody waits.
    show_full_result_count = False

    def note(self, request: HttpRequest, row: Row, says: Text) -> None:
        """Add what a user did to the admin's history of *row*, in the site's language."""
        with of_the_site():
            self.log_change(request, row, str(says))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """The rows, where they are :func:`~django_sqs.written.written`."""
        return super().get_queryset(request).using(router.db_for_write(self.model))
