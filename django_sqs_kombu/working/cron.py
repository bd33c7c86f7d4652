"""Cron: the slots of a cron expression in a time zone, whose clocks may be put forward and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from ..exceptions import ConfigurationError

UTC = timezone.utc
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
#: How far away slots are looked for.
YEARS = 50


@dataclass(frozen=True, slots=True)
class Cron:
    """The slots of an expression.

    Which they are does not depend on when and in which direction one looks for them.  An
    expression says local times.  One of fixed times, whose minutes and hours do not begin with a
    star, has a slot for each: the first, where clocks are put back and a time comes twice, and
    the end of the gap, where they are put forward and it never comes.  Any other has a slot
    whenever the clock shows one of its times.

    :param expression: of five fields.
    :param zone: of its times.
    """

    expression: str
    zone: ZoneInfo

    def latest(self, now: datetime) -> datetime | None:
        """The last slot that is not after *now*, in UTC; None: there was none yet."""
        found = []
        for clock in self._clocks(now):
            # Backwards cronsim does not give the time that it begins with.
            begin = clock.replace(microsecond=0) + SECOND
            for local in self._local_times(begin, reverse=True):
                if past := [slot for slot in self._slots(local) if slot <= now]:
                    found.append(max(past))
                    break
        return max(found, default=None)

    def next(self, now: datetime) -> datetime:
        """The first slot after *now*, in UTC.

        :raises StopIteration: there is none for 50 years.
        """
        found = []
        for clock in self._clocks(now):
            for local in self._local_times(clock):
                if to_come := [slot for slot in self._slots(local) if slot > now]:
                    found.append(min(to_come))
                    break
        if not found:
            raise StopIteration
        return min(found)

    def _clocks(self, now: datetime) -> set[datetime]:
        """The local times from which to look; there are two within times that come twice."""
        local = now.astimezone(self.zone)
        return {
            now.astimezone(UTC).replace(tzinfo=None) + (offset or timedelta(0))
            for offset in (local.replace(fold=fold).utcoffset() for fold in (0, 1))
        }

    def _local_times(self, begin: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        """The times that the expression says, as if no clock were ever put."""
        sim, _ = cronsim()
        for local in sim(self.expression, begin.replace(tzinfo=UTC), reverse=reverse):
            if abs(local.year - begin.year) > YEARS:
                # All may be within gaps: those of every last Sunday in March, say.
                return
            yield local.replace(tzinfo=None)

    def _slots(self, local: datetime) -> list[datetime]:
        """When a local time comes: once, twice or never."""
        if not self._is_fixed:
            return [slot for fold in (0, 1) if (slot := self._instant(local, fold)) is not None]
        while (slot := self._instant(local, 0)) is None:
            local += MINUTE
        return [slot]

    def _instant(self, local: datetime, fold: int) -> datetime | None:
        """A local time in UTC; None: it is within a gap."""
        slot = local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
        return slot if slot.astimezone(self.zone).replace(tzinfo=None) == local else None

    @property
    def _is_fixed(self) -> bool:
        # As Debian's cron and cronsim have it.
        fields = self.expression.split()
        return len(fields) == 5 and not (fields[0].startswith("*") or fields[1].startswith("*"))


def cronsim() -> tuple[Callable[..., Any], type[Exception]]:
    """What reads cron expressions, and its error."""
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as exc:
        raise ConfigurationError(
            "cron= needs the extra: pip install 'django-sqs[schedules]'"
        ) from exc
    return CronSim, CronSimError
