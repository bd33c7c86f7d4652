"""The results of tasks in Django's admin: to search, to read, and to run failed ones again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.html import format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu.exceptions import EndpointUnreachable, SQSError

from ..language import of_the_site
from ..operations.asking import ENOUGH
from ..row_admin import RowAdmin, committing_at_once
from .models import TaskRecord

#: What is shown of an error before its traceback.
ERROR = 200
#: Tasks that are enqueued again while the browser waits.  They stay failed, so of more nobody would
#: know which were, once the web server has given up the page.
MOST = 1_000
#: Reasons why tasks could not be enqueued that one page tells.
MOST_TOLD = 10


@admin.register(TaskRecord)
class TaskRecordAdmin(RowAdmin[TaskRecord]):
    """Read-only; an action enqueues failed tasks again, under new ids."""

    list_display = ("task", "status", "error", "attempts", "enqueued_at", "queue_name", "backend")
    list_filter = ("status", "backend", "queue_name")
    search_fields = ("=id", "task")
    actions = ("enqueue_again",)
    fields = (
        *("id", "status", "task", "backend", "queue_name", "priority", "args", "kwargs"),
        *("run_after", "enqueued_at", "started_at", "last_attempted_at", "finished_at"),
        *("return_value", "worker_ids", "tracebacks"),
    )

    def get_urls(self) -> list[Any]:
        """Its pages; the list enqueues while somebody waits, and tells what SQS said."""
        return committing_at_once(super().get_urls())

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False

    def has_enqueue_permission(self, request: HttpRequest) -> bool:
        """Who may enqueue failed tasks again."""
        return request.user.has_perm("django_sqs_results.enqueue_taskrecord")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of them."""
        return self.fields

    @admin.display(description=_("attempts"))
    def attempts(self, record: TaskRecord) -> int:
        """How often it was started."""
        return len(record.worker_ids)

    @admin.display(description=_("error"))
    def error(self, record: TaskRecord) -> str:
        """The last line of the latest error."""
        if not record.errors:
            return ""
        latest = record.errors[-1]
        lines = latest["traceback"].strip().splitlines()
        return str(lines[-1] if lines else latest["exception"])[:ERROR]

    @admin.display(description=_("errors"))
    def tracebacks(self, record: TaskRecord) -> str:
        """The tracebacks of all errors."""
        pre = '<pre class="sqs-pre" tabindex="0">{}</pre>'
        return format_html_join("", pre, ((each["traceback"],) for each in record.errors))

    @admin.action(description=_("Enqueue selected failed tasks again"), permissions=["enqueue"])
    def enqueue_again(self, request: HttpRequest, queryset: QuerySet[TaskRecord]) -> None:
        """Enqueue selected tasks that have failed, each with a new id and a new result."""
        # Late: a project that has the app, but no tasks yet, needs no Tasks framework.
        from ..tasks.framework import InvalidTask, TaskResultDoesNotExist

        count, why = 0, Counter[str]()
        failed = queryset.filter(status="FAILED")
        if failed.order_by()[: MOST + 1].count() > MOST:
            said = gettext(
                "At most %(most)s failed tasks are enqueued again at once. None of these was: "
                "filter the list, or search it."
            )
            most = number_format(MOST, force_grouping=True)
            self.message_user(request, said % {"most": most}, messages.ERROR)
            return
        records, ends = list(failed), time.monotonic() + ENOUGH
        for tried, record in enumerate(records):
            if tried and time.monotonic() >= ends:
                self._tell_left(request, records[tried:])
                break
            try:
                count += self._enqueue_one(request, record)
            except EndpointUnreachable as exc:
                # Each of the others would wait as long.
                said = gettext("%(error)s The tasks after it were not tried.") % {"error": exc}
                self.message_user(request, f"{record.task}: {said}", messages.ERROR)
                break
            except (SQSError, InvalidTask, TaskResultDoesNotExist, ImproperlyConfigured) as exc:
                why[f"{record.task}: {str(exc).removeprefix(f'{record.id}: ')}"] += 1
        self._tell_why(request, why)
        said = ngettext(
            "Enqueued again: %(count)d task.", "Enqueued again: %(count)d tasks.", count
        )
        self.message_user(request, said % {"count": count})

    def _enqueue_one(self, request: HttpRequest, record: TaskRecord) -> int:
        """Enqueue one; return how many were, none where another has its key."""
        from ..tasks.framework import task_backends
        from .store import task_of

        result, is_new = _enqueue(task_backends[record.backend], task_of(record), record)
        if not is_new:
            self.message_user(request, _has_key(record, result.id), messages.WARNING)
            return 0
        with of_the_site():
            says = gettext("Enqueued again, with the id %(id)s.") % {"id": result.id}
        self.note(request, record, says)
        return 1

    def _tell_left(self, request: HttpRequest, left: Sequence[TaskRecord]) -> None:
        """Tell for which tasks there was no time."""
        said = ngettext(
            "SQS is slow: %(count)d task was not tried, %(id)s.",
            "SQS is slow: %(count)d tasks were not tried, from %(id)s on.",
            len(left),
        )
        self.message_user(request, said % {"count": len(left), "id": left[0].pk}, messages.ERROR)

    def _tell_why(self, request: HttpRequest, why: Counter[str]) -> None:
        """Tell why tasks were not enqueued: each reason once, since a page has room for few."""
        for text, count in why.most_common(MOST_TOLD):
            times = f" ({number_format(count)} x)" if count > 1 else ""
            self.message_user(request, f"{text}{times}", messages.ERROR)
        told = [count for _text, count in why.most_common(MOST_TOLD)]
        if left := why.total() - sum(told):
            said = ngettext(
                "%(count)d more task was not enqueued.",
                "%(count)d more tasks were not enqueued.",
                left,
            )
            self.message_user(request, said % {"count": left}, messages.ERROR)


def _has_key(record: TaskRecord, owner: str) -> str:
    """Why a task is not enqueued whose key another one has, or itself."""
    if owner == record.id:
        says = gettext(
            "%(task)s %(id)s: not enqueued, since it has its key of @unique. It can be enqueued "
            "again when the key is free."
        )
    else:
        says = gettext(
            "%(task)s %(id)s: not enqueued, since the task %(owner)s has its key of @unique. It "
            "can be enqueued again when the key is free."
        )
    return says % {"task": record.task, "id": record.id, "owner": owner}


def _enqueue(backend: Any, task: Any, record: TaskRecord) -> tuple[Any, bool]:
    """Enqueue a task again; return its result, and whether that is a new one."""
    if hasattr(backend, "enqueue_unless_there"):
        result, is_new = backend.enqueue_unless_there(task, record.args, record.kwargs)
        return result, bool(is_new)
    # Another's, by now.
    return backend.enqueue(task, record.args, record.kwargs), True
