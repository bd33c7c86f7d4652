"""Pauses: that nothing is received from a queue, as a tag of it in SQS says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from ...exceptions import ConfigurationError
from ...rules import shown
from .calls import Calls

#: The key of the tag of whoever pauses a queue, and of the one of its breaker.  Two, so that
#: neither can lift or shorten what the other has said, whoever writes last.
TAG = "django-sqs:paused"
BREAKER_TAG = "django-sqs:breaker"
#: What stands in place of the end of a pause that has none.
OPEN = ".."
#: Characters that AWS takes for the value of a tag, and how many.
_LEGAL = re.compile(r"[^\w\s.:/=+\-@]+")
MOST = 256
#: The longest pause that has an end: a year; what is longer is better without.
LONGEST = timedelta(days=366)
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Pause:
    """That nothing is received from a queue.

    :param since: when it began; None: a person wrote the tag, and not that.
    :param until: when it ends by itself; None: it lasts until the queue is resumed.
    :param reason: why, for people to read.
    :param by_breaker: whether a shared breaker made it: it ends by itself, and nothing resumes
        the queue sooner.
    """

    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    by_breaker: bool = False

    @classmethod
    def of(cls, tags: Mapping[str, str] | None) -> Pause | None:
        """The pause that the tags of a queue say; None: there is none, or it has ended.

        Of two the one that ends later.  A value that is no time, such as ``yes``, is a reason:
        whoever has only AWS's console may pause a queue as well.
        """
        asked, broken = cls._read((tags or {}).get(TAG)), cls._read((tags or {}).get(BREAKER_TAG))
        if broken is None or broken.until is None:
            # A breaker's has an end; without one it would be for ever, and nothing lifts it.
            return asked
        if asked is not None and (asked.until is None or asked.until >= broken.until):
            return asked
        return replace(broken, by_breaker=True)

    @classmethod
    def _read(cls, value: str | None) -> Pause | None:
        if value is None:
            return None
        # A server like SQS may say a number.
        value = str(value)
        times, _, reason = value.partition(" ")
        since, slash, until = times.partition("/")
        start, end = _time(since), _time(until)
        if not slash or start is None or (end is None and until != OPEN):
            return cls(reason=value)
        pause = cls(start, end, reason)
        return None if pause.is_over() else pause

    @classmethod
    def starting_now(cls, seconds: float | timedelta | None, reason: str) -> Pause:
        """A pause from now on, for so many seconds or without an end.

        :raises ConfigurationError: *seconds* is not above 0, or above a year.
        """
        now = datetime.now(timezone.utc).replace(microsecond=0)
        if seconds is None:
            return cls(now, None, reason)
        try:
            length = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
            right = timedelta(0) < length <= LONGEST
        except (TypeError, ValueError, OverflowError):
            right = False
        if not right:
            raise ConfigurationError(
                "seconds of a pause must be a number above 0 and up to a year, a timedelta, or "
                f"None for no end, not {shown(seconds)}"
            )
        return cls(now, now + length, reason)

    @property
    def value(self) -> str:
        """The tag's value; of the reason, as much as AWS takes."""
        start = (self.since or datetime.now(timezone.utc)).strftime(_FORMAT)
        end = OPEN if self.until is None else self.until.strftime(_FORMAT)
        reason = " ".join(_LEGAL.sub(" ", self.reason).split())
        return f"{start}/{end} {reason}"[:MOST].rstrip()

    def seconds_left(self) -> float | None:
        """Seconds until it ends by itself, 0 if it has; None: it does not."""
        if self.until is None:
            return None
        return max(0.0, (self.until - datetime.now(timezone.utc)).total_seconds())

    def is_over(self) -> bool:
        """Whether it has ended by itself."""
        return self.seconds_left() == 0

    def __str__(self) -> str:
        parts = [f"since {self.since:{_FORMAT}}" if self.since else "paused"]
        if self.until is not None:
            parts.append(f"until {self.until:{_FORMAT}}")
        return ", ".join([*parts, *([self.reason] if self.reason else [])])


def pause(
    calls: Calls, queue: str, seconds: float | timedelta | None = None, reason: str = ""
) -> Pause:
    """Pause *queue* for all who receive from it; return the pause.

    :param seconds: how long; None: until it is resumed.
    :raises ConfigurationError: *seconds* is not above 0, or above a year.
    :raises QueueDoesNotExist: there is no such queue.
    :raises RequestFailed: SQS refused.
    """
    begun = Pause.starting_now(seconds, reason)
    calls.existing_url(queue)
    calls.call("TagQueue", queue, Tags={TAG: begun.value})
    return begun


def pause_by_breaker(calls: Calls, queue: str, seconds: float, reason: str) -> Pause:
    """Pause *queue* for all who receive from it, beside what people say of it.

    :param seconds: how long, above 0.
    :raises RequestFailed: SQS refused.
    """
    begun = Pause.starting_now(seconds, reason)
    calls.call("TagQueue", queue, Tags={BREAKER_TAG: begun.value})
    return replace(begun, by_breaker=True)


def resume(calls: Calls, queue: str) -> None:
    """End the pause of *queue*, if it has one; that of a breaker ends by itself.

    :raises QueueDoesNotExist: there is no such queue.
    :raises RequestFailed: SQS refused.
    """
    calls.existing_url(queue)
    calls.call("UntagQueue", queue, TagKeys=[TAG])


def pause_of(calls: Calls, queue: str) -> Pause | None:
    """The pause of *queue*, if it has one.

    :raises QueueDoesNotExist: there is no such queue.
    :raises RequestFailed: SQS refused.
    """
    calls.existing_url(queue)
    return Pause.of(calls.call("ListQueueTags", queue).get("Tags"))


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
