"""Retry: after which exceptions a message is tried again, how often, and with what pauses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from ..exceptions import ConfigurationError
from ..logs import get_logger
from ..quotas import MAX_VISIBILITY_TIMEOUT
from ..rules import check, flag, function, is_number, number, shown, whole
from ..transport.settling.backoff import Backoff, jittered

logger = get_logger(__name__)

#: The tries of a message, unless another number is given.
RETRY_TRIES = 10

_RETRY = {"tries": whole(0), "jitter": flag}
_BACKOFF = {"backoff": function(1, "the number of tries so far")}
_EXPONENTIAL = {
    "base": number(0, MAX_VISIBILITY_TIMEOUT),
    "factor": number(1, MAX_VISIBILITY_TIMEOUT),
    "longest": number(0, MAX_VISIBILITY_TIMEOUT),
}

Exceptions = tuple[type[BaseException], ...]
Seconds = float | timedelta


@dataclass(frozen=True, slots=True)
class Exponential:
    """Growing pauses: each is *factor* times the one before.

    :param base: seconds after the first try.
    :param factor: how many times longer each further one is.
    :param longest: the maximum in seconds, up to 43,200 (the longest that SQS hides a message).
    """

    base: float = 10
    factor: float = 2
    longest: float = 900

    def __post_init__(self) -> None:
        check("exponential: ", _EXPONENTIAL, {name: getattr(self, name) for name in _EXPONENTIAL})

    def __call__(self, tries: int) -> float:
        """Seconds after so many tries."""
        try:
            return min(self.longest, self.base * float(self.factor) ** (tries - 1))
        except OverflowError:
            return self.longest if self.base else 0.0


def exponential(base: float = 10, factor: float = 2, longest: float = 900) -> Exponential:
    """Return pauses of *base* seconds, then *factor* times as long each, up to *longest*."""
    return Exponential(base, factor, longest)


@dataclass(frozen=True, slots=True)
class Retry:
    """Exceptions of a receiver after which its message is tried again.

    :param on: the exceptions, or one; default: every Exception.
    :param tries: how often a message is tried, including the first time.
    :param backoff: seconds, or a timedelta, until the next try: one for all, a sequence whose
        last value is repeated, ``exponential(...)``, or a function of the
        number of tries so far; 12 hours at most.  None: the registry's backoff, as after
        :class:`RestartLater`.
    :param jitter: whether up to half is added to each pause at random, so that what failed
        together is not tried again together.
    :raises ConfigurationError: a value is invalid.
    """

    on: Exceptions = (Exception,)
    tries: int = RETRY_TRIES
    backoff: Seconds | Sequence[Seconds] | Callable[[int], Seconds] | None = None
    jitter: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", exceptions("Retry: on", self.on))
        check("Retry: ", _RETRY, {name: getattr(self, name) for name in _RETRY})
        if callable(self.backoff):
            check("Retry: ", _BACKOFF, {"backoff": self.backoff})
        elif self.backoff is not None:
            object.__setattr__(self, "backoff", _pauses(self.backoff))

    def pause(self, tries: int, default: Backoff) -> int:
        """Whole seconds until the next try, after so many.

        :param default: counts where this has no backoff of its own, or a function that fails.
        """
        seconds = self._seconds(tries)
        if seconds is None:
            return default.delay(tries)
        limit = float(MAX_VISIBILITY_TIMEOUT)
        if self.jitter:
            return min(jittered(min(seconds, limit)), MAX_VISIBILITY_TIMEOUT)
        return math.ceil(min(seconds, limit))

    def _seconds(self, tries: int) -> float | None:
        if self.backoff is None:
            return None
        if not callable(self.backoff):
            pauses = cast("tuple[float, ...]", self.backoff)
            return pauses[min(tries, len(pauses)) - 1]
        try:
            return _seconds(self.backoff(tries))
        except Exception:
            logger.exception("The backoff %r failed; the usual one is used instead", self.backoff)
            return None


def exceptions(where: str, value: Any) -> Exceptions:
    """The exception classes that *value* is: one, or several.

    :param where: what it is called, for the error.
    :raises ConfigurationError: it is something else.
    """
    several = isinstance(value, Iterable) and not isinstance(value, str | type)
    found = tuple(value) if several else (value,)
    for each in found:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise ConfigurationError(f"{where} must name exception classes, not {shown(each)}")
    return tuple(dict.fromkeys(found))


def _pauses(value: Any) -> tuple[float, ...]:
    several = isinstance(value, Iterable) and not isinstance(value, str)
    try:
        pauses = tuple(_seconds(each) for each in (value if several else (value,)))
    except (TypeError, ValueError):
        pauses = ()
    if not pauses or max(pauses) > MAX_VISIBILITY_TIMEOUT:
        raise ConfigurationError(
            f"Retry: backoff must be seconds from 0 to {MAX_VISIBILITY_TIMEOUT:,}, a list of "
            f"those, or a function of the number of tries, not {shown(value)}"
        )
    return pauses


def _seconds(value: Any) -> float:
    """Seconds that are a finite number from 0.

    :raises ValueError: they are not.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not is_number(seconds) or not 0 <= seconds < math.inf:
        raise ValueError(f"{value!r} is not a number of seconds")
    return float(seconds)
