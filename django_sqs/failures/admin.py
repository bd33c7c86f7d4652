"""Failed messages in Django's admin: to see, to search, and to send again or discard."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.logs import get_logger

from ..language import of_logs, of_the_site
from ..operations.asking import PATIENCE, NotAnsweredYet, ask_within
from ..operations.queues import Target, targets
from ..registry import receivers
from ..row_admin import RowAdmin, committing_at_once
from ..written import Row, written
from .choices import CHOICES, Choice
from .deciding import STUCK, Decided, left_to_sqs, open_failures
from .models import Failure, FailureGroup
from .paginator import CappedPaginator

logger = get_logger(__name__)

#: What the lists show of an error.
ERROR = 160
#: Rows that a search finds.
MOST_FOUND = 1_000
#: Rows that an action on selected ones notes by themselves; else only their groups.
MOST_NOTED = 100


def _redrivable(row: Failure | None) -> str | None:
    """What the admin knows the queue of *row* by, if it has dead letters that may be redriven.

    None: it has no dead-letter queue, SQS does not say, or this project has the queue no more.
    """
    found = targets(receivers.select())
    target = next((each for each in found if row and each.full_name == row.full_name), None)
    return target.label if target is not None and _has_dead_letters(target) else None


def _has_dead_letters(target: Target) -> bool:
    if target.registered.full_dead_letter_name:
        return True
    try:
        name = f"dead-letter queue of {target.full_name}"
        return bool(ask_within(PATIENCE, name, lambda: target.dead_letters))
    except SQSError:
        return False


def _told(failure: SQSError) -> str:
    if not isinstance(failure, NotAnsweredYet):
        return str(failure)
    says = gettext(
        "%(error)s It may still take what it was asked to. What nobody knows of can be sent again "
        "in %(count)d minutes."
    )
    return says % {"error": failure, "count": STUCK.total_seconds() // 60}


def _typed(text: str | None, before: str) -> str | None:
    """The text that a browser has sent in place of *before*, with its line breaks."""
    if text is None or "\r" in before:
        return text
    # Browsers send each as these two, whatever it was.
    return text.replace("\r\n", "\n")


class DecidingAdmin(RowAdmin[Row]):
    """Rows that stand for failed messages, which one may send again or discard."""

    paginator = CappedPaginator
    list_per_page = 50

    class Media:
        css = {"all": ["django_sqs_failures/failures.css"]}  # noqa: RUF012 - as Django has it

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one here; sqs_prune_failures does."""
        return False

    def get_urls(self) -> list[Any]:
        """The pages that ask before something is done."""
        view = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}_decide"
        place = "<path:object_id>/decide/<slug:choice>/"
        decide = path(place, view(require_POST(self.decide_view)), name=name)
        return committing_at_once([decide, *super().get_urls()])

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One of them, with buttons for what the user may do."""
        row = self.get_object(request, unquote(object_id))
        context = {**(extra_context or {})}
        if row is not None:
            waits, left = self.failures(row), left_to_sqs(self.rows(row))
            context |= {"may": self._may(request), "waits": waits, "left": left.count(), "row": row}
            context |= {"discards": waits + context["left"], "queue": _redrivable(left.first())}
            context |= self.more(request, row)
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=_("error"), ordering="error_class")
    def what(self, row: Any) -> str:
        """The exception and its text."""
        return f"{row.error_class}: {row.error}"[:ERROR]

    def failures(self, row: Any) -> int:
        """How many failed messages it stands for that wait."""
        raise NotImplementedError

    def rows(self, row: Any) -> QuerySet[Failure]:
        """The failed messages that it stands for."""
        raise NotImplementedError

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What else its page shows."""
        return {}

    def decide_view(self, request: HttpRequest, object_id: str, choice: str) -> HttpResponse:
        """Ask about what is to be done with the messages of a row, or do it."""
        row = self.get_object(request, unquote(object_id))
        if row is None or choice not in CHOICES:
            raise Http404(choice)
        chosen = self._chosen(request, choice)
        text = None
        # Of a group, one text would take the place of all its bodies.
        if choice == "send" and isinstance(row, Failure):
            text = _typed(request.POST.get("text"), row.text)
        if text is not None and not self.more(request, row).get("editable"):
            raise PermissionDenied
        if "confirmed" not in request.POST and text is None:
            return self._ask(request, chosen, row)
        self._do(request, chosen, self.rows(row), text, row)
        meta = self.opts
        url = reverse(
            f"admin:{meta.app_label}_{meta.model_name}_change",
            args=[row.pk],
            current_app=self.admin_site.name,
        )
        return HttpResponseRedirect(url)

    def has_body_permission(self, request: HttpRequest) -> bool:
        """Whether the user may see bodies."""
        return request.user.has_perm("django_sqs_failures.body_failure")

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send messages again."""
        return request.user.has_perm(CHOICES["send"].permission)

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Whether the user may discard messages."""
        return request.user.has_perm(CHOICES["discard"].permission)

    def _may(self, request: HttpRequest) -> dict[str, bool]:
        return {name: request.user.has_perm(each.permission) for name, each in CHOICES.items()}

    def _chosen(self, request: HttpRequest, choice: str) -> Choice:
        chosen = CHOICES[choice]
        if not request.user.has_perm(chosen.permission):
            raise PermissionDenied
        return chosen

    def _ask(self, request: HttpRequest, chosen: Choice, row: Any) -> HttpResponse:
        left = left_to_sqs(self.rows(row)).count()
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": chosen.label,
            "question": chosen.question(self.failures(row), left),
            "row": row,
            "media": self.media,
            "deletes": chosen.deletes,
        }
        return TemplateResponse(request, "admin/django_sqs_failures/confirm.html", context)

    def _do(
        self,
        request: HttpRequest,
        chosen: Choice,
        rows: QuerySet[Failure],
        text: str | None = None,
        row: Any = None,
    ) -> Decided:
        by = str(request.user)
        decided = chosen.run(rows, by, text)
        if decided.failure is not None:
            messages.error(request, _told(decided.failure))
        if decided.refused:
            told = ngettext(
                "%(count)d message could not be sent again: %(why)s",
                "%(count)d messages could not be sent again: %(why)s",
                decided.refused,
            )
            messages.error(request, told % {"count": decided.refused, "why": decided.why})
        if decided.done:
            count = {"count": decided.done}
            with of_logs():
                logger.warning("User %s: %s", by, chosen.says % count)
            messages.success(request, chosen.says % count)
            with of_the_site():
                said = chosen.says % count
                if text is not None:
                    said = gettext("%(done)s It was edited.") % {"done": said}
            if row is not None:
                self.note(request, row, said)
            self._note_groups(request, decided, said, but=row)
        elif not decided.refused and decided.failure is None:
            says = gettext(
                "Nothing was done: these messages were sent again, discarded or left to SQS."
            )
            messages.warning(request, says)
        return decided

    def _note_groups(self, request: HttpRequest, decided: Decided, said: str, but: Any) -> None:
        touched = written(FailureGroup).filter(pk__in=decided.groups)[:MOST_NOTED]
        groups = [group for group in touched if group != but]
        if groups and request.user.pk is not None:
            LogEntry.objects.log_actions(request.user.pk, groups, CHANGE, said)


@admin.register(FailureGroup)
class FailureGroupAdmin(DecidingAdmin[FailureGroup]):
    """Failures that are alike, the latest first."""

    change_form_template = "admin/django_sqs_failures/failuregroup/change_form.html"
    list_display = ("what", "queue_name", "waiting", "seen", "first_seen", "last_seen")
    search_fields = ("error_class", "error", "queue_name")
    ordering = ("-last_seen", "-pk")
    fields = ("queue_name", "error_class", "error", "waiting", "seen", "first_seen", "last_seen")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of them."""
        return self.fields

    def failures(self, row: Any) -> int:
        """Those of the group that wait."""
        return max(0, int(row.waiting))

    def rows(self, row: Any) -> QuerySet[Failure]:
        """Those of the group."""
        return written(Failure).filter(group=row)

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The latest of its failures, one of them with its traceback."""
        latest = list(self.rows(row).defer("body", "text").order_by("-pk")[:20])
        return {"latest": latest, "traceback": latest[0].traceback if latest else ""}


class QueueFilter(admin.SimpleListFilter):
    """By queue: the registered ones, which takes no look at all rows."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [(name, name) for name in sorted(receivers.queues)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the choice."""
        return queryset if self.value() is None else queryset.filter(queue_name=self.value())


@admin.register(Failure)
class FailureAdmin(DecidingAdmin[Failure]):
    """Single failed messages, the latest first."""

    change_form_template = "admin/django_sqs_failures/failure/change_form.html"
    list_display = ("what", "queue_name", "state", "failed_at", "message_id")
    list_filter = ("state", QueueFilter)
    search_fields = ("message_id", "error", "text")
    search_help_text = format_lazy(
        _("A message id, or text of an error or a body: finds the latest {most}."),
        most=lazy(number_format, str)(MOST_FOUND, force_grouping=True),
    )
    ordering = ("-pk",)
    actions = ("send_selected", "discard_selected")
    # The search looks through the text, for those who may see it.
    concealed = ("body", "text")
    fields = (
        *("state", "note", "queue_name", "full_name", "message_id", "message_group"),
        *("error_class", "error", "receive_count", "worker", "sent_at", "failed_at"),
        *("changed_at", "changed_by", "shown_attributes", "shown_traceback"),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of them."""
        return (*self.fields, "shown_text")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """With the body for those who may see it."""
        return (*self.fields, "shown_text") if self.has_body_permission(request) else self.fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Failure]:
        """Without what the list does not show."""
        rows = super().get_queryset(request)
        if request.resolver_match and str(request.resolver_match.url_name).endswith("changelist"):
            rows = rows.defer("body", "text", "traceback", "attributes")
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Failure], search_term: str
    ) -> tuple[QuerySet[Failure], bool]:
        """Those whose id it is, or whose error or, for who may see them, body has it."""
        if not search_term:
            return queryset, False
        found = Q(message_id=search_term) | Q(error__icontains=search_term)
        if self.has_body_permission(request):
            found |= Q(text__icontains=search_term)
        # Looked for once: the changelist asks for its count, and for its page.
        keys = queryset.filter(found).order_by("-pk").values_list("pk", flat=True)
        return queryset.filter(pk__in=list(keys[:MOST_FOUND])), False

    @admin.display(description=_("traceback"))
    def shown_traceback(self, row: Failure) -> SafeString:
        """As Python prints it."""
        return format_html('<pre class="sqs-pre" tabindex="0">{}</pre>', row.traceback)

    @admin.display(description=_("body"))
    def shown_text(self, row: Failure) -> SafeString:
        """Decoded, as far as it is kept."""
        return format_html('<pre class="sqs-pre" tabindex="0">{}</pre>', row.text)

    @admin.display(description=_("attributes"))
    def shown_attributes(self, row: Failure) -> str:
        """Those that are text or numbers."""
        found = row.attributes.items()
        return ", ".join(f"{n}: {v['StringValue']}" for n, v in found if "StringValue" in v) or "-"

    def failures(self, row: Any) -> int:
        """One, while it waits, or nobody knows whether it was sent."""
        return open_failures(self.rows(row)).count()

    def rows(self, row: Any) -> QuerySet[Failure]:
        """Itself."""
        return written(Failure).filter(pk=row.pk)

    def more(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Its body, to be edited, for those who may, and where it is all there."""
        app: Any = apps.get_app_config("django_sqs_failures")
        whole = not app.masks and row.body and len(row.text) < app.most_text
        return {"editable": bool(whole and self.has_body_permission(request))}

    @admin.action(description=_("Send selected messages again"), permissions=["send"])
    def send_selected(self, request: HttpRequest, queryset: QuerySet[Failure]) -> None:
        """Send those that wait."""
        self._do(request, CHOICES["send"], queryset.order_by())

    @admin.action(description=_("Discard selected messages"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Failure]) -> None:
        """Discard those that wait; they stay to be seen."""
        self._do(request, CHOICES["discard"], queryset.order_by())
