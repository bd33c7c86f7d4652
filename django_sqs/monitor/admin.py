"""The pages in Django's admin: all queues, one queue, and what may be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from django_sqs_kombu import administration
from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.logs import get_logger

from ..language import of_the_site
from ..operations.asking import NotAnsweredYet, ask_within
from ..operations.inspection import beginnings, inspect
from ..operations.queues import Target, targets
from ..registry import receivers
from .actions import ACTIONS, LENGTHS, Action
from .chart import panels
from .chosen import Done
from .history import SPANS, history
from .models import QueueReport
from .report import forget_counts, report, target_of

logger = get_logger(__name__)

#: Messages that a look at a queue shows.
PEEKED = 10
#: Seconds that a page waits for what it does; web servers give up a worker after 30.
ACTION_PATIENCE = 15.0
#: What a user may do besides reading; each has a permission of its name.
MAY = ("peek", "purge", "move", "pause")
#: Actions upon messages that were ticked end so.
CHOSEN = "-chosen"
#: Characters of their ids that the history keeps.
MOST_NOTED = 1_000
LIST = "django_sqs_monitor_queuereport_changelist"
QUEUE = "django_sqs_monitor_queue"
TEMPLATES = "admin/django_sqs_monitor/queuereport"


def _look(
    target: Target, *, dead: bool, payloads: bool
) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
    """The oldest messages of a queue or its dead letters, and the beginnings of their payloads."""
    name = target.dead_letters if dead else target.full_name
    found = administration.peek(target.requests, name, PEEKED)
    return found, beginnings(target, found) if payloads else {}


def _chart(request: HttpRequest, queue: str | None = None) -> dict[str, Any]:
    """What the chart of a queue, or of all, is drawn from."""
    span = SPANS.get(request.GET.get("span", ""), SPANS["hour"])
    found = history(span, timezone.now(), queue)
    return {"history": found, "panels": panels(found), "spans": SPANS}


def _run(action: Action, target: Target, form: Mapping[str, str]) -> Callable[[], Done]:
    """What does *action* in another thread, and says what it did as this one would."""
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def run() -> Done:
        with translation.override(language), timezone.override(zone):
            return action.run(target, form)

    return run


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[QueueReport]
else:
    # Django's own cannot be subscripted.
    _ModelAdmin = admin.ModelAdmin


@admin.register(QueueReport)
class QueueReportAdmin(_ModelAdmin):
    """Queues instead of rows of a table; to the admin, a queue's key is its label."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a queue here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one."""
        return False

    def get_urls(self) -> list[Any]:
        """The pages of single queues, before those of ModelAdmin."""
        view = self.admin_site.admin_view
        return [
            path("queue/<str:label>/", view(self.queue_view), name="django_sqs_monitor_queue"),
            path(
                "queue/<str:label>/<slug:action>/",
                view(require_POST(self.action_view)),
                name="django_sqs_monitor_action",
            ),
            *super().get_urls(),
        ]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> QueueReport | None:
        """The queue with this label, for the admin's page of its history."""
        known = target_of(object_id) is not None
        return QueueReport(pk=object_id, queue_name=object_id) if known else None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Where the admin links to from what it logged: the page of the queue."""
        self._require(request, "view_queuereport")
        label = unquote(object_id)
        self._target(label)
        return self._to(QUEUE, label)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All queues and workers."""
        self._require(request, "view_queuereport")
        return self._page(
            request,
            "change_list.html",
            gettext("Queues"),
            report=report(),
            may=self._may_what(request),
            **_chart(request),
        )

    def queue_view(self, request: HttpRequest, label: str, peeked: Any = None) -> HttpResponse:
        """One queue."""
        self._require(request, "view_queuereport")
        target = self._target(label)
        found = report([target])
        may = self._may_what(request)
        others = [t.label for t in targets(receivers.select()) if t.label != label]
        return self._page(
            request,
            "queue.html",
            label,
            row=found.rows[0],
            report=found,
            others=others,
            peeked=peeked,
            may=may,
            chooses=may["move"] or may["purge"],
            **_chart(request, target.registered.name),
        )

    def action_view(self, request: HttpRequest, label: str, action: str) -> HttpResponse:
        """Look at messages, or ask about an action, or do it."""
        target = self._target(label)
        if action == "peek":
            self._require(request, "peek_queuereport")
            return self._peek(request, target)
        if action not in ACTIONS:
            raise Http404(action)
        chosen = ACTIONS[action]
        self._require(request, chosen.permission)
        form = {**request.POST.dict()}
        if action.endswith(CHOSEN):
            form.setdefault("ids", " ".join(request.POST.getlist("id")))
            if not form["ids"].split():
                messages.error(request, gettext("Choose messages first."))
                return self._to(QUEUE, label)
        if "confirmed" not in request.POST:
            return self._page(
                request,
                "confirm.html",
                str(chosen.title) % {"queue": label},
                label=label,
                action=action,
                question=chosen.question(target, form),
                deletes=chosen.permission == "purge_queuereport",
                ids=form.get("ids", ""),
                dead=form.get("dead", ""),
                lengths=LENGTHS if action == "pause" else None,
                target=request.POST.get("target", "") if chosen.has_target else "",
            )
        try:
            asked = (form.get(each, "") for each in ("target", "ids", "dead"))
            name = f"{action} {target.full_name} {' '.join(asked)}"
            done = ask_within(ACTION_PATIENCE, name, _run(chosen, target, form))
        except NotAnsweredYet:
            self._note(request, action, label, form)
            says = gettext("This continues in the background; reload the page later.")
            messages.warning(request, says)
        except SQSError as exc:
            messages.error(request, str(exc))
        else:
            self._note(request, action, label, form, done)
            messages.success(request, done.says)
        touched = [target_of(request.POST.get("target", "")), target]
        forget_counts(*(each for each in touched if each is not None))
        return self._to(QUEUE, label)

    def _peek(self, request: HttpRequest, target: Target) -> HttpResponse:
        dead, whole = (request.POST.get(name) == "yes" for name in ("dead", "payloads"))
        asking = f"peek {target.full_name} {dead} {whole}"
        look = partial(_look, target, dead=dead, payloads=whole)
        try:
            found, begun = ask_within(ACTION_PATIENCE, asking, look)
            peeked = [inspect(target, each, begun.get(str(each["MessageId"]))) for each in found]
        except SQSError as exc:
            messages.error(request, str(exc))
            return self._to(QUEUE, target.label)
        self._note(request, "peek", target.label)
        return self.queue_view(request, target.label, {"messages": peeked, "dead": dead})

    def _note(
        self,
        request: HttpRequest,
        action: str,
        label: str,
        form: Mapping[str, str] | None = None,
        done: Done | None = None,
    ) -> None:
        """Keep who did what: in the log, and in the admin's history of the queue."""
        form = form or {}
        which = ", ".join(sorted(form.get("ids", "").split()))[:MOST_NOTED]
        logger.warning("User %s: %s of queue %s %s", request.user, action, label, which)
        queue = QueueReport(pk=label, queue_name=label)
        with of_the_site():
            known = ACTIONS.get(action)
            says = known.note(form, done) if known else gettext("Looked at messages.")
            self.log_change(request, queue, f"{says} {which}".rstrip())

    def _to(self, page: str, *args: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(self._url(page, *args))

    def _url(self, page: str, *args: str) -> str:
        # The project may have several admin sites; a page leads to those of its own.
        return reverse(f"admin:{page}", args=args, current_app=self.admin_site.name)

    def _page(
        self, request: HttpRequest, template: str, title: str, **context: Any
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"{TEMPLATES}/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                "list_url": self._url(LIST),
                **context,
            },
        )

    def _target(self, label: str) -> Target:
        target = target_of(label)
        if target is None:
            raise Http404(f"No queue {label!r} is registered")
        return target

    def _may(self, request: HttpRequest, permission: str) -> bool:
        return request.user.has_perm(f"django_sqs_monitor.{permission}")

    def _may_what(self, request: HttpRequest) -> dict[str, bool]:
        return {what: self._may(request, f"{what}_queuereport") for what in MAY}

    def _require(self, request: HttpRequest, permission: str) -> None:
        if not self._may(request, permission):
            raise PermissionDenied
