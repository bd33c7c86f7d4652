"""Backoff: how long a message that is to be tried again stays hidden."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

#: The most that chance adds to a pause, as a share of it.
JITTER = 0.5
#: By how much a pause is shorter that most likely need not be at all.
SOONER = 10


def jittered(seconds: float) -> int:
    """*seconds* and up to half of them more, whole by chance, too.

    So what failed together does not come again together, and no sooner than was said.
    """
    longer = seconds * (1 + JITTER * random.random())  # noqa: S311 - it guards nothing
    return int(longer + random.random())  # noqa: S311


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff from a message's receive count.

    :param base: seconds after the first receive; doubled after each further one.
    :param longest: the most seconds, at most 43,200 (SQS's visibility timeout limit).
    :param jitter: whether up to half is added by chance, so that what failed together does not
        come again together.
    """

    base: float = 10
    longest: float = 900
    jitter: bool = True

    @property
    def sooner(self) -> Backoff:
        """For what most likely need not be waited for: a tenth of the time, but a second if it can.

        Whole seconds of less would mostly be none.
        """
        return replace(self, base=_tenth(self.base), longest=_tenth(self.longest))

    def delay(self, receive_count: int) -> int:
        """Seconds to hide a message that was received *receive_count* times."""
        doublings = min(max(receive_count, 1) - 1, 32)
        seconds = min(self.longest, self.base * 2**doublings)
        return jittered(seconds) if self.jitter else int(seconds)


def _tenth(seconds: float) -> float:
    return max(seconds / SOONER, min(seconds, 1.0))


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """How long the failed tasks of a predefined queue stay hidden.

    :param tasks: the names of the tasks that are tried again (``backoff_tasks``).
    :param seconds: by receive count, from 1 (``backoff_policy``).
    """

    tasks: frozenset[str]
    seconds: Mapping[int, int]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> BackoffPolicy | None:
        """The policy among the *options* of a predefined queue, if it has one."""
        tasks, seconds = options.get("backoff_tasks"), options.get("backoff_policy")
        if not tasks or not seconds:
            return None
        # Options that come from JSON have text as keys.
        return cls(frozenset(tasks), {int(count): int(s) for count, s in seconds.items()})

    def delay(self, receive_count: int) -> int | None:
        """Seconds after *receive_count* receives; None: until the visibility timeout ends."""
        return self.seconds.get(receive_count)
