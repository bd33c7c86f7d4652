"""Report: what SQS and the workers tell of the queues, as the pages show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone
from django.utils.safestring import SafeString

from django_sqs_kombu.exceptions import ConfigurationError, QueueDoesNotExist, SQSError
from django_sqs_kombu.transport import QueueCounts

from ..conf import conf
from ..operations.queues import Target, targets
from ..registry import receivers
from .ages import oldest_ages
from .apps import MonitorConfig
from .models import Heartbeat, QueueMinute
from .sparkline import sparkline

MINUTES = 60


@dataclass(slots=True)
class Hour:
    """What the receivers of a queue did in the last hour, by the minute, the oldest first.

    :param received: messages in each minute, and *failed* those that were rejected.
    :param seconds: that receivers ran, in all.
    :param waited: the longest wait of a message in the last five minutes, in seconds.
    """

    received: list[int] = field(default_factory=lambda: [0] * MINUTES)
    failed: list[int] = field(default_factory=lambda: [0] * MINUTES)
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def line(self) -> SafeString:
        """Messages and failures as a sparkline."""
        label = (
            f"{self.received_total} messages received in the last hour, "
            f"{self.failed_total} failures"
        )
        return sparkline(self.received, label, self.failed if self.failed_total else ())

    @property
    def received_total(self) -> int:
        """Messages received in the last hour."""
        return sum(self.received)

    @property
    def failed_total(self) -> int:
        """Failures of the last hour."""
        return sum(self.failed)

    @property
    def average(self) -> float | None:
        """Seconds that a receiver took, on average."""
        return self.seconds / self.received_total if self.received_total else None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A line of the page.

    :param label: the queue's name without prefix, and *full_name* that in SQS.
    :param counts: its messages; None: it does not exist yet.
    :param dead: how many dead letters it has; None: it has no dead-letter queue.
    :param error: why SQS could not be asked, if it could not.
    :param receives: whether it has a receiver.
    :param running: how many receivers run.
    :param oldest: the age of its oldest message in seconds, where CloudWatch tells.
    """

    label: str
    full_name: str
    counts: QueueCounts | None
    dead: int | None
    error: str
    receives: bool
    running: int
    oldest: float | None
    hour: Hour


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows."""

    rows: list[QueueRow]
    workers: list[Heartbeat]
    made_at: datetime

    @property
    def tells_ages(self) -> bool:
        """Whether CloudWatch is asked for the age of the oldest message."""
        return conf.cloudwatch

    @property
    def alive(self) -> bool:
        """Whether any worker is alive."""
        return bool(self.workers)


def report(chosen: Iterable[Target] | None = None) -> Report:
    """Ask SQS and the database; SQS's counts are cached for SQS_STATUS_CACHE_TIMEOUT."""
    now = timezone.now()
    if chosen is None:
        chosen = targets(receivers.select())
    alive = timedelta(seconds=3 * MonitorConfig.record_period)
    workers = list(Heartbeat.objects.filter(seen_at__gte=now - alive).order_by("host", "pid"))
    running: dict[str, int] = defaultdict(int)
    for worker in workers:
        for queue, number in worker.running.items():
            running[queue] += number
    hours = _hours(now)
    ages = oldest_ages()
    rows = [_row(target, running, ages, hours) for target in chosen]
    return Report(rows, workers, now)


def target_of(label: str) -> Target | None:
    """The queue with this label, if there is one."""
    return next((each for each in targets(receivers.select()) if each.label == label), None)


def _row(
    target: Target,
    running: Mapping[str, int],
    ages: Mapping[str, float],
    hours: Mapping[str, Hour],
) -> QueueRow:
    counts, dead, error = _counted(target)
    # Workers count by registered queue; what its suffixes got is not told apart.
    own = target.suffix is None
    name = target.registered.name
    return QueueRow(
        target.label,
        target.full_name,
        counts,
        dead,
        error,
        target.registered.receiver is not None,
        running.get(name, 0) if own else 0,
        ages.get(target.full_name),
        hours.get(name, Hour()) if own else Hour(),
    )


def _counted(target: Target) -> tuple[QueueCounts | None, int | None, str]:
    key = f"django_sqs.monitor.{target.full_name}"
    known: tuple[QueueCounts | None, int | None, str] | None = cache.get(key)
    if known is not None:
        return known
    try:
        counts = target.counts()
        found = counts, _dead_letters(target) if counts else None, ""
    except SQSError as exc:
        return None, None, str(exc)
    cache.set(key, found, conf.status_cache_timeout)
    return found


def forget_counts(target: Target) -> None:
    """Ask SQS anew the next time, since messages were deleted or moved."""
    cache.delete(f"django_sqs.monitor.{target.full_name}")


def _dead_letters(target: Target) -> int | None:
    try:
        return target.requests.counts(target.dead_letters).visible
    except (ConfigurationError, QueueDoesNotExist):
        return None


def _hours(now: datetime) -> dict[str, Hour]:
    latest = now.replace(second=0, microsecond=0)
    hours: dict[str, Hour] = defaultdict(Hour)
    first = latest - timedelta(minutes=MINUTES - 1)
    for row in QueueMinute.objects.filter(minute__gte=first):
        hour = hours[row.queue_name]
        place = int((row.minute - first).total_seconds() // 60)
        if place < MINUTES:
            hour.received[place] += row.received
            hour.failed[place] += row.rejected
        hour.seconds += row.seconds
        if row.minute >= latest - timedelta(minutes=4):
            hour.waited = max(hour.waited, row.waited)
    return dict(hours)
