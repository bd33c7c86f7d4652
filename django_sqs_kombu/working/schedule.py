"""Schedule: when messages are sent by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from ..exceptions import ConfigurationError
from ..rules import shown
from .cron import Cron, cronsim

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: For how long after its time a slot is caught up with by default.
CATCH_UP = timedelta(hours=1)
#: A worker that looks so long after a slot is not late: it was busy.
ON_TIME = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
#: No time of a schedule is longer: dates end with the year 9999.
CENTURY = timedelta(days=36525)
#: Characters of a definition.
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times, called slots, at which a message is sent.

    They follow from the schedule alone, so all hosts agree on them without communicating.

    :param every: the time from one slot to the next, in whole seconds; the slots are its
        multiples since 1970 in UTC, so an hour's are on the hour.
    :param cron: an expression of five fields, instead of *every* (extra ``schedules``).
    :param timezone: of *cron*, such as ``"Europe/Berlin"``; default: UTC.
        When clocks are put forward, a slot in the gap comes at the gap's end; when they are put
        back, a fixed time comes only once, the first time.
    :param catch_up: how late a slot may be sent that could not be sent in time.  If several
        were missed, only the last is sent.
    :raises ConfigurationError: it is invalid, or never comes due.
    """

    every: timedelta | None = None
    cron: str | None = None
    timezone: str | None = None
    catch_up: timedelta = CATCH_UP

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise ConfigurationError("A schedule is either every= or cron=")
        self._check_types()
        if self.every is not None and (self.every < SECOND or self.every % SECOND):
            raise ConfigurationError(f"every={self.every} is not a number of whole seconds from 1")
        if self.every is not None and self.every > CENTURY:
            raise ConfigurationError(f"every={self.every} is more than 100 years")
        if self.every is not None and self.timezone is not None:
            raise ConfigurationError("timezone= belongs to cron=; every= counts in UTC")
        if self.catch_up < timedelta(0):
            raise ConfigurationError(f"catch_up={self.catch_up} is negative")
        if self.catch_up > CENTURY:
            raise ConfigurationError(f"catch_up={self.catch_up} is more than 100 years")
        if self.cron is not None:
            self._check_cron(datetime.now(UTC))

    @classmethod
    def read(
        cls,
        where: str,
        every: timedelta | None,
        cron: str | None,
        timezone: str | None,
        catch_up: timedelta | None,
    ) -> Schedule | None:
        """The schedule that these options say; None: they say none.

        :param where: whose options they are, for the error.
        :raises ConfigurationError: they cannot work.
        """
        if every is None and cron is None:
            if timezone is not None or catch_up is not None:
                raise ConfigurationError(f"{where}timezone= and catch_up= need a schedule")
            return None
        try:
            return cls(every, cron, timezone, CATCH_UP if catch_up is None else catch_up)
        except ConfigurationError as exc:
            raise ConfigurationError(f"{where}{exc}") from exc

    def _check_types(self) -> None:
        for name, wanted in {"every": timedelta, "cron": str, "timezone": str}.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, wanted):
                raise ConfigurationError(f"{name}={shown(value)} is not a {wanted.__name__}")
        if not isinstance(self.catch_up, timedelta):
            raise ConfigurationError(f"catch_up={shown(self.catch_up)} is not a timedelta")

    def _check_cron(self, now: datetime) -> None:
        _, error = cronsim()
        try:
            self.next(now)
        except error as exc:
            raise ConfigurationError(f"cron={self.cron!r}: {exc}") from exc
        except StopIteration:
            raise ConfigurationError(f"cron={self.cron!r} never comes due") from None
        except (KeyError, ValueError) as exc:
            # ZoneInfo's own.
            raise ConfigurationError(f"timezone={self.timezone!r}: {exc}") from exc

    @property
    def definition(self) -> str:
        """The schedule in words; a schedule with other times has other words."""
        if self.cron is not None:
            return f"{self.cron} {self._zone}"[:LONGEST]
        return f"every {self.every}"

    def latest(self, now: datetime) -> datetime | None:
        """The last slot that is not after *now*, in UTC; None: there was none yet."""
        if self.every is not None:
            return now - (now - EPOCH) % self.every
        return self._cron.latest(now)

    def next(self, now: datetime) -> datetime:
        """The first slot after *now*, in UTC."""
        if self.every is not None:
            return now - (now - EPOCH) % self.every + self.every
        return self._cron.next(now)

    @property
    def _cron(self) -> Cron:
        return Cron(self.cron or "", self._zone)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone or "UTC")
