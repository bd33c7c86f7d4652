"""Views: the status report in plain text, and the wake-up call."""

from __future__ import annotations

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from django_sqs_kombu.exceptions import SQSError

from .access import changers_only, readers_only
from .conf import conf
from .operations.queues import targets
from .optional import wakers
from .registry import receivers


@require_safe
@never_cache
@readers_only
def status(request: HttpRequest) -> HttpResponse:
    """A line for each queue: its name, a tab, and its approximate number of messages.

    The report is kept in Django's cache for SQS_STATUS_CACHE_TIMEOUT seconds, so that
    each reload is not a request to SQS.  503 where SQS cannot be asked.  Who may see it:
    :func:`~django_sqs.access.readers_only`.
    """
    key = f"django_sqs.status.{conf.prefix}"
    report = cache.get(key)
    if report is None:
        try:
            report = "\n".join(_lines())
        except SQSError as exc:
            return HttpResponse(f"{exc}\n", content_type="text/plain", status=503)
        cache.set(key, report, conf.status_cache_timeout)
    return HttpResponse(report, content_type="text/plain")


@require_POST
@never_cache
@changers_only
def wake(request: HttpRequest) -> HttpResponse:
    """Wake the workers of queues that rest since these are idle (SQS_POLL_MAX_IDLE).

    ``queue=NAME``, which may be repeated, says which; without, all.  Needs SQS_WAKE, the
    channel to the workers.  Who may: :func:`~django_sqs.access.changers_only`.
    """
    if not conf.wake:
        text = "SQS_WAKE is not set: there is no channel to the workers.\n"
        return HttpResponse(text, content_type="text/plain", status=409)
    try:
        chosen = receivers.select(request.POST.getlist("queue"))
    except SQSError as exc:
        return HttpResponse(f"{exc}\n", content_type="text/plain", status=404)
    for target in targets(chosen):
        for wake_workers in wakers.all():
            wake_workers(target.full_name)
    return HttpResponse("Called.\n", content_type="text/plain", status=202)


def _lines() -> list[str]:
    lines = []
    for target in targets(receivers.select()):
        counts = target.counts()
        lines.append(f"{target.label}\t{counts.visible if counts else 0}")
    return lines
