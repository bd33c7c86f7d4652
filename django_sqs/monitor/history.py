"""History: what receivers did over an hour, a day or a week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Sum
from django.utils.translation import gettext_lazy as _

from ..language import Text
from ..written import written
from .models import QueueHour, QueueMinute


@dataclass(frozen=True, slots=True)
class Span:
    """How far a chart reaches back.

    :param label: what it is called, and *title* the head of its chart.
    :param step: the time that one bar stands for.
    :param bars: how many there are.
    """

    label: Text
    title: Text
    step: timedelta
    bars: int

    @property
    def by_hours(self) -> bool:
        """Whether whole hours do, which are kept for longer than minutes."""
        return self.step >= timedelta(hours=1)


SPANS = {
    "hour": Span(_("hour"), _("Last hour"), timedelta(minutes=1), 60),
    "day": Span(_("day"), _("Last day"), timedelta(minutes=15), 96),
    "week": Span(_("week"), _("Last week"), timedelta(hours=1), 168),
}


@dataclass(frozen=True, slots=True)
class History:
    """What receivers did, by the bar, the oldest first.

    :param received: messages, and *failed* those that were rejected.
    :param waited: the longest wait of a message for its receiver, in seconds.
    :param running: how many receivers ran, on average.
    """

    span: Span
    first: datetime
    latest: datetime
    received: list[int]
    failed: list[int]
    waited: list[float]
    running: list[float]


def history(span: Span, now: datetime, queue: str | None = None) -> History:
    """Ask the database, in one query.

    :param queue: as it was registered; None: all queues together.
    """
    latest = now.replace(second=0, microsecond=0)
    # Bars begin at the same minutes whenever one looks, so that they do not flicker.
    latest -= timedelta(minutes=latest.minute % (span.step // timedelta(minutes=1)))
    first = latest - (span.bars - 1) * span.step
    seconds = span.step.total_seconds()
    found = History(
        span,
        first,
        latest + span.step,
        [0] * span.bars,
        [0] * span.bars,
        [0.0] * span.bars,
        [0.0] * span.bars,
    )
    for at, received, failed, waited, busy in _rows(span, first, queue):
        bar = int((at - first) / span.step)
        if 0 <= bar < span.bars:
            found.received[bar] += received
            found.failed[bar] += failed
            found.waited[bar] = max(found.waited[bar], waited)
            found.running[bar] += busy / seconds
    return found


def _rows(
    span: Span, first: datetime, queue: str | None
) -> list[tuple[datetime, int, int, float, float]]:
    model, at = (QueueHour, "hour") if span.by_hours else (QueueMinute, "minute")
    rows = written(model).filter(**{f"{at}__gte": first})
    if queue is not None:
        rows = rows.filter(queue_name=queue)
    sums = (Sum("received"), Sum("rejected"), Max("waited"), Sum("busy"))
    return list(rows.order_by(at).values_list(at).annotate(*sums))
