"""Backoff: how long a message that is to be tried again stays hidden."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff from a message's receive count.

    :param base: seconds after the first receive; doubled after each further one.
    :param longest: the most seconds, at most 43,200 (SQS's visibility timeout limit).
    """

    base: float = 10
    longest: float = 900

    def delay(self, receive_count: int) -> int:
        """Seconds to hide a message that was received *receive_count* times."""
        doublings = min(max(receive_count, 1) - 1, 32)
        return int(min(self.longest, self.base * 2**doublings))
