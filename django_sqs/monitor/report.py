"""Report: what SQS and the workers tell of the queues, as the pages show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.core.cache import cache
from django.db import router
from django.utils import timezone
from django.utils.safestring import SafeString

from django_sqs_kombu.transport import Pause, QueueCounts

from ..conf import conf
from ..operations.queues import Target, targets
from ..operations.states import QueueState, states
from ..registry import receivers
from .ages import oldest_ages
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
    :param counts: its messages, *dead* its dead letters and *error* why SQS could not be
        asked, as :class:`~django_sqs.operations.states.QueueState` has them.
    :param receives: whether it has a receiver.
    :param running: how many receivers run.
    :param oldest: the age of its oldest message in seconds, where CloudWatch tells.
    :param pause: its pause, if it has one.
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
    pause: Pause | None = None


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
    """Ask SQS and the database; what SQS says is cached for SQS_STATUS_CACHE_TIMEOUT."""
    now = timezone.now()
    chosen = list(targets(receivers.select()) if chosen is None else chosen)
    app: Any = apps.get_app_config("django_sqs_monitor")
    alive = timedelta(seconds=3 * app.record_period)
    beats = Heartbeat.objects.using(router.db_for_write(Heartbeat))
    workers = list(beats.filter(seen_at__gte=now - alive).order_by("host", "pid"))
    running: dict[str, int] = defaultdict(int)
    for worker in workers:
        for queue, number in worker.running.items():
            running[queue] += number
    hours = _hours(now)
    ages = oldest_ages()
    rows = [
        _row(target, state, running, ages, hours)
        for target, state in zip(chosen, _states(chosen), strict=True)
    ]
    return Report(rows, workers, now)


def target_of(label: str) -> Target | None:
    """The queue with this label, if there is one."""
    return next((each for each in targets(receivers.select()) if each.label == label), None)


def _row(
    target: Target,
    state: QueueState,
    running: Mapping[str, int],
    ages: Mapping[str, float],
    hours: Mapping[str, Hour],
) -> QueueRow:
    # Workers count by registered queue; what its suffixes got is not told apart.
    own = target.suffix is None
    name = target.registered.name
    return QueueRow(
        target.label,
        target.full_name,
        state.counts,
        state.dead,
        state.error,
        target.registered.receiver is not None,
        running.get(name, 0) if own else 0,
        ages.get(target.full_name),
        hours.get(name, Hour()) if own else Hour(),
        state.pause,
    )


def _states(chosen: Sequence[Target]) -> list[QueueState]:
    """What SQS says of *chosen*; answers and errors are cached for SQS_STATUS_CACHE_TIMEOUT."""
    keys = [_key(target) for target in chosen]
    known: dict[str, QueueState] = cache.get_many(keys)
    missing = [target for target in chosen if _key(target) not in known]
    if missing:
        asked = dict(zip(map(_key, missing), states(missing), strict=True))
        cache.set_many(asked, conf.status_cache_timeout)
        known.update(asked)
    return [known[key] for key in keys]


def forget_counts(*chosen: Target) -> None:
    """Ask SQS again the next time, since messages were deleted or moved."""
    cache.delete_many([_key(target) for target in chosen])


def _key(target: Target) -> str:
    return f"django_sqs.monitor.{target.full_name}"


def _hours(now: datetime) -> dict[str, Hour]:
    latest = now.replace(second=0, microsecond=0)
    hours: dict[str, Hour] = defaultdict(Hour)
    first = latest - timedelta(minutes=MINUTES - 1)
    minutes = QueueMinute.objects.using(router.db_for_write(QueueMinute))
    for row in minutes.filter(minute__gte=first):
        hour = hours[row.queue_name]
        place = int((row.minute - first).total_seconds() // 60)
        if place < MINUTES:
            hour.received[place] += row.received
            hour.failed[place] += row.rejected
        hour.seconds += row.seconds
        if row.minute >= latest - timedelta(minutes=4):
            hour.waited = max(hour.waited, row.waited)
    return dict(hours)
