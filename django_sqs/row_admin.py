"""RowAdmin: rows that the library writes, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import connections, router, transaction
from django.db.models import QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.timezone import localtime

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
    #: Fields that no page shows as they are; what a filter by them found would tell all the same.
    concealed: tuple[str, ...] = ()

    class Media:
        css = {"all": ["django_sqs/admin.css"]}  # noqa: RUF012 - as Django has it
        js = ("django_sqs/once.js",)

    def note(self, request: HttpRequest, row: Row, says: Text) -> None:
        """Add what a user did to the admin's history of *row*, in the site's language."""
        with of_the_site():
            self.log_change(request, row, str(says))

    def note_all(self, request: HttpRequest, rows: Sequence[Row], says: Text) -> None:
        """Add the same to the history of many rows at once."""
        # A model, which is there only where the admin is installed.
        from django.contrib.admin.models import CHANGE, LogEntry

        if rows and request.user.pk is not None:
            with of_the_site():
                LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, str(says))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether an address may filter so; Django lets it by any field."""
        if lookup.partition(LOOKUP_SEP)[0] in self.concealed:
            return False
        return super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """The rows, where they are :func:`~django_sqs.written.written`."""
        return super().get_queryset(request).using(router.db_for_write(self.model))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are acted on from the list; nobody edits one, so its page has nothing to save."""
        return obj is None and super().has_change_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, under its name: Django's title asks to select a row to change."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})


def committing_at_once(urls: Sequence[URLPattern]) -> list[URLPattern]:
    """*urls* whose views commit each thing that they do, with ATOMIC_REQUESTS, too.

    For pages that send: if one is ended or fails in the midst of it, what says that messages were
    sent must not be undone.
    """
    for each in urls:
        for alias in connections:
            transaction.non_atomic_requests(using=alias)(each.callback)
    return list(urls)


def moment(time: datetime | None) -> str | None:
    """A time as the admin shows those of fields: in the user's time zone and format."""
    return None if time is None else str(localize(localtime(time)))
