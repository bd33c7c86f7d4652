"""Report: what SQS and the workers tell of the queues, as the pages show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.utils import timezone

from django_sqs_kombu.logs import get_logger

from ..conf import conf
from ..database_errors import as_database_errors
from ..not_migrated import NotMigrated, told
from ..operations.queues import Target, targets
from ..operations.remembered import forget, remembered
from ..operations.states import QueueState, states
from ..optional import waiting_failures
from ..registry import receivers
from ..written import written
from .ages import oldest_ages
from .attention import Concern, concerns
from .models import Heartbeat, QueueMinute
from .rows import MINUTES, Hour, QueueRow
from .workers import MOST_RUNNING, RunningMessage, Workers, workers

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows."""

    rows: list[QueueRow]
    found: Workers
    failures: Mapping[str, int]
    made_at: datetime

    @property
    def workers(self) -> list[Heartbeat]:
        """The workers that live."""
        return self.found.alive

    @property
    def stale(self) -> list[Heartbeat]:
        """Those that have died lately, without signing off."""
        return self.found.stale

    @property
    def messages(self) -> list[RunningMessage]:
        """What has run for a while, as far as it is shown."""
        labels = {row.label for row in self.rows}
        return [each for each in self.found.messages if each.queue in labels][:MOST_RUNNING]

    @property
    def concerns(self) -> list[Concern]:
        """What is wrong."""
        return concerns(self.rows, self.found, self.failures)

    @property
    def troubled(self) -> int:
        """How many queues, or kinds of workers, somebody should look at."""
        return len({concern.about for concern in self.concerns})

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
    found = workers(now)
    hours = _hours(now)
    ages = oldest_ages()
    rows = [
        _row(target, state, found.running, ages, hours)
        for target, state in zip(chosen, _states(chosen), strict=True)
    ]
    return Report(rows, found, _failures(), now)


def _failures() -> dict[str, int]:
    """How many failed messages of each queue wait; without those that cannot be counted now."""
    found: dict[str, int] = {}
    for count in waiting_failures.all():
        try:
            with as_database_errors():
                found |= count()
        except (Error, NotMigrated) as exc:
            logger.warning("The number of failed messages is unknown: %s", told(exc))
    return found


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
        own,
        running.get(name, 0) if own else 0,
        ages.get(target.full_name),
        hours.get(name, Hour()) if own else Hour(),
        state.pause,
    )


def _states(chosen: Sequence[Target]) -> list[QueueState]:
    """What SQS says of *chosen*; answers and errors are cached for SQS_STATUS_CACHE_TIMEOUT."""
    by_key = {_key(target): target for target in chosen}

    def ask(keys: list[str]) -> dict[str, QueueState]:
        return dict(zip(keys, states(by_key[key] for key in keys), strict=True))

    known = remembered(list(by_key), conf.status_cache_timeout, ask)
    return [known[_key(target)] for target in chosen]


def state_of(target: Target) -> QueueState:
    """What SQS says of one; cached, so it is what the page has just shown."""
    return _states([target])[0]


def forget_counts(*chosen: Target) -> None:
    """Ask SQS again the next time, since messages were deleted or moved."""
    forget(_key(target) for target in chosen)


def _key(target: Target) -> str:
    return f"django_sqs.monitor.{target.full_name}"


def _hours(now: datetime) -> dict[str, Hour]:
    latest = now.replace(second=0, microsecond=0)
    hours: dict[str, Hour] = defaultdict(Hour)
    first = latest - timedelta(minutes=MINUTES - 1)
    minutes = written(QueueMinute)
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
