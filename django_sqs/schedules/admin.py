"""Schedules in Django's admin: when they are next, what was sent, run one now, pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.dateparse import parse_duration
from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu.working import UTC

from ..language import Text
from ..row_admin import RowAdmin, moment
from .firing import database, last_slots, pause, resume, scheduled
from .models import KnownSchedule, Slot

_RAN = ngettext_lazy("Run now: %(count)d schedule.", "Run now: %(count)d schedules.", "count")
_PAUSED = ngettext_lazy("Paused: %(count)d schedule.", "Paused: %(count)d schedules.", "count")
_RESUMED = ngettext_lazy("Resumed: %(count)d schedule.", "Resumed: %(count)d schedules.", "count")


@admin.register(KnownSchedule)
class KnownScheduleAdmin(RowAdmin[KnownSchedule]):
    """Read-only; actions run a schedule now, pause it and resume it.

    A schedule appears when the first worker that knows it has started; one that the code knows no
    more can be deleted.
    """

    list_display = ("name", "times", "following", "last", "known_since")
    fields = list_display
    search_fields = ("name",)
    list_filter = ("paused",)
    actions = ("run_now", "pause", "resume")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of them."""
        return self.fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one that the code knows: workers would write it again."""
        if obj is not None and _is_live(obj):
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Of selected schedules, those that the code knows stay."""
        actions: dict[str, Any] = dict(super().get_actions(request))
        if found := actions.get("delete_selected"):
            actions["delete_selected"] = (_delete_gone, *found[1:])
        return actions

    @admin.display(description=_("next slot"))
    def following(self, row: KnownSchedule) -> str | None:
        """Its next slot."""
        if row.paused:
            return gettext("paused")
        for queue, schedule in scheduled():
            if (queue.name, schedule.definition) == (row.name, row.definition):
                return moment(schedule.next(datetime.now(UTC)))
        return gettext("not in this release")

    @admin.display(description=_("last sent"))
    def last(self, row: KnownSchedule) -> str | None:
        """The last slot that was sent."""
        return moment(last_slots([row.name]).get(row.name))

    @admin.display(description=_("definition"), ordering="definition")
    def times(self, row: KnownSchedule) -> str:
        """Its definition, with intervals as people write them."""
        _every, interval, text = row.definition.partition("every ")
        length = parse_duration(text) if interval else None
        if length is None:
            return row.definition
        return gettext("every %(interval)s") % {"interval": _written(length)}

    @admin.display(description=_("in effect since"), ordering="since")
    def known_since(self, row: KnownSchedule) -> str | None:
        """Since when its slots are sent."""
        return moment(datetime.fromtimestamp(row.since, UTC))

    @admin.action(description=_("Run selected schedules now"), permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[KnownSchedule]) -> None:
        """Send their messages now, beside their slots."""
        known = {queue.name: queue for queue, _ in scheduled()}
        now = datetime.now(UTC)

        def run(name: str) -> None:
            known[name].write_slot(now, database())

        self._each(request, queryset.filter(name__in=known), run, _("Run now."), _RAN)

    @admin.action(description=_("Pause selected schedules"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[KnownSchedule]) -> None:
        """Send none of their slots."""
        self._each(request, queryset.filter(paused=False), pause, _("Paused."), _PAUSED)

    @admin.action(description=_("Resume selected schedules"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[KnownSchedule]) -> None:
        """Send their slots again."""
        now = datetime.now(UTC)
        rows = queryset.filter(paused=True)
        self._each(request, rows, lambda name: resume(name, now), _("Resumed."), _RESUMED)

    def _each(
        self,
        request: HttpRequest,
        rows: QuerySet[KnownSchedule],
        act: Callable[[str], None],
        done: Text,
        says: Any,
    ) -> None:
        """Act on each queue once, and note it in the history."""
        chosen = {row.name: row for row in rows}
        for name, row in chosen.items():
            act(name)
            self.note(request, row, done)
        self.message_user(request, says % {"count": len(chosen)})


def _written(length: timedelta) -> str:
    """As "1 h 30 min"."""
    minutes, seconds = divmod(length.seconds, 60)
    parts = ((length.days, "d"), (minutes // 60, "h"), (minutes % 60, "min"), (seconds, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _is_live(row: KnownSchedule) -> bool:
    """Whether this release's code has the schedule."""
    return any(
        (queue.name, schedule.definition) == (row.name, row.definition)
        for queue, schedule in scheduled()
    )


def _delete_gone(
    admin: KnownScheduleAdmin, request: HttpRequest, queryset: QuerySet[KnownSchedule]
) -> HttpResponseBase | None:
    """Delete those of the selected schedules that the code knows no more."""
    live = [row.pk for row in queryset if _is_live(row)]
    if live:
        text = ngettext(
            "%(count)d schedule is in this release and stays.",
            "%(count)d schedules are in this release and stay.",
            len(live),
        )
        admin.message_user(request, text % {"count": len(live)}, messages.WARNING)
    gone = queryset.exclude(pk__in=live)
    return delete_selected(admin, request, gone) if gone.exists() else None


@admin.register(Slot)
class SlotAdmin(RowAdmin[Slot]):
    """Read-only: which slots were sent."""

    list_display = ("name", "time", "sent_at")
    fields = readonly_fields = list_display
    list_filter = ("name",)
    search_fields = ("name",)

    @admin.display(description=_("slot"), ordering="slot")
    def time(self, row: Slot) -> str | None:
        """The slot."""
        return moment(row.time)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody has one sent again so."""
        return False
