"""Views: the status report in plain text, and the wake-up call."""

from __future__ import annotations

import hashlib

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.logs import get_logger

from .access import changers_only, is_known, readers_only
from .conf import conf
from .operations.queues import Target, targets
from .operations.remembered import remembered
from .operations.states import QueueState, states
from .optional import wakers
from .registry import receivers

logger = get_logger(__name__)

#: What the public is told in place of an error: that names roles, accounts and endpoints.
SAID = "The site's log says why."
UNTOLD = f"SQS cannot be asked at the moment. {SAID}"


@login_not_required
@require_safe
@never_cache
@readers_only
def status(request: HttpRequest) -> HttpResponse:
    """A line for each queue: its name, a tab, and its approximate number of messages.

    With ``?dead-letters=yes`` a tab follows, and the number of its dead letters, or ``-``
    if it has no dead-letter queue.

    SQS's answer, even an error, is kept in Django's cache for SQS_STATUS_CACHE_TIMEOUT
    seconds, so a reload does not always make a request to SQS.  The status is 503 if SQS cannot
    be reached; only staff and holders of the token see why.  For who may see the view, see
    :func:`~django_sqs.access.readers_only`.
    """
    chosen = list(targets(receivers.select()))
    with_dead = request.GET.get("dead-letters") == "yes"
    key = f"django_sqs.states.{_digest(chosen)}.{with_dead}"

    def ask(_: list[str]) -> dict[str, list[QueueState]]:
        return {key: states(chosen, dead_letters=with_dead, pauses=False)}

    found = remembered([key], conf.status_cache_timeout, ask)[key]
    errors = [state.error for state in found if state.error]
    if errors:
        logger.warning("The status view could not be computed: %s", errors[0])
        text = errors[0] if is_known(request) else UNTOLD
        return HttpResponse(f"{text}\n", content_type="text/plain", status=503)
    lines = (_line(*each, with_dead=with_dead) for each in zip(chosen, found, strict=True))
    return HttpResponse("\n".join(lines), content_type="text/plain")


@login_not_required
@require_POST
@never_cache
@changers_only
def wake(request: HttpRequest) -> HttpResponse:
    """Wake the workers that poll idle queues less often (SQS_POLL_MAX_IDLE).

    ``queue=NAME``, which may be repeated, names the queues; without it, all are woken.  Needs
    SQS_WAKE, the channel to the workers: the status is 503 if that fails.  For who may do this, see
    :func:`~django_sqs.access.changers_only`.
    """
    if not conf.wake:
        text = "SQS_WAKE is not set: there is no channel to the workers.\n"
        return HttpResponse(text, content_type="text/plain", status=409)
    try:
        chosen = receivers.select(request.POST.getlist("queue"))
    except SQSError as exc:
        return HttpResponse(f"{exc}\n", content_type="text/plain", status=404)
    for target in targets(chosen):
        if not all(wake_workers(target.full_name) for wake_workers in wakers.all()):
            # Nor for the others: each might hang as long.
            text = f"{target.label} was not called: SQS_WAKE's channel failed. {SAID}\n"
            return HttpResponse(text, content_type="text/plain", status=503)
    return HttpResponse("Called.\n", content_type="text/plain", status=202)


def _digest(chosen: list[Target]) -> str:
    """What tells these queues, in this order, from others, such as those of another release."""
    names = "\n".join(target.full_name for target in chosen)
    return hashlib.sha256(names.encode()).hexdigest()


def _line(target: Target, state: QueueState, *, with_dead: bool) -> str:
    line = f"{target.label}\t{state.counts.visible if state.counts else 0}"
    return f"{line}\t{'-' if state.dead is None else state.dead}" if with_dead else line
