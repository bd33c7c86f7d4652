"""Workers: which live, which have died lately, and what they run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps

from ..written import written
from .models import Heartbeat

#: For how long one that has died without signing off is shown.
STALE = timedelta(hours=1)
#: As many are read, those seen last.
MOST = 1_000
#: As many of what runs are shown.
MOST_RUNNING = 100


@dataclass(frozen=True, slots=True)
class RunningMessage:
    """A message whose receiver has run for a while.

    :param worker: whose it is.
    :param stuck: whether it runs for so long that somebody should look.
    :param lost: whether its worker has died, so that another may run it now.
    """

    queue: str
    id: str
    since: datetime
    worker: Heartbeat
    stuck: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of all hosts.

    :param alive: by host and process id.
    :param stale: those that were seen within the last hour, but not lately.
    :param running: receivers that run, by queue as it was registered.
    :param messages: what has run for a while, the oldest first.
    """

    alive: list[Heartbeat]
    stale: list[Heartbeat]
    running: dict[str, int]
    messages: list[RunningMessage]

    @property
    def served(self) -> set[str]:
        """The queues that a living worker receives from."""
        return {queue for worker in self.alive for queue in worker.running}


def workers(now: datetime) -> Workers:
    """Ask the database, in one query."""
    app: Any = apps.get_app_config("django_sqs_monitor")
    limit = now - timedelta(seconds=3 * app.record_period)
    # A replica that lags hides no worker.
    found = list(written(Heartbeat).filter(seen_at__gte=now - STALE).order_by("-seen_at")[:MOST])
    found.sort(key=lambda beat: (beat.host, beat.pid))
    alive = [beat for beat in found if beat.seen_at >= limit]
    stale = [beat for beat in found if beat.seen_at < limit]
    running: dict[str, int] = defaultdict(int)
    for worker in alive:
        for queue, number in worker.running.items():
            running[queue] += number
    slow = now - timedelta(seconds=app.stuck_after)
    messages = [*_messages(alive, slow, lost=False), *_messages(stale, slow, lost=True)]
    messages.sort(key=lambda each: (each.lost, each.since))
    return Workers(alive, stale, dict(running), messages)


def _messages(
    beats: Iterable[Heartbeat], slow: datetime, *, lost: bool
) -> Iterator[RunningMessage]:
    for beat in beats:
        for each in beat.messages:
            since = datetime.fromisoformat(each["since"])
            stuck = since < slow and not lost
            yield RunningMessage(each["queue"], each["id"], since, beat, stuck, lost)
