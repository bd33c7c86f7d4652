"""PassedOver: queues that may not poll, since all that may wait for their consumer is others'."""

from __future__ import annotations

import time

from ...quotas import MAX_MESSAGES

#: Seconds for which a queue counts as passed over, unless it says so again.
LASTS = 3.0


class PassedOver:
    """What the queues of one consumer leave to those that are passed over.

    What waits is started in the order in which it came, so a queue with a short visibility timeout
    may only ask for more while little waits: beside busy ones with long timeouts it never could.
    """

    def __init__(self) -> None:
        #: How many messages may wait for each to have its turn, and until when that counts.
        self._of: dict[str, tuple[int, float]] = {}

    def add(self, queue: str, most: int) -> None:
        """Have the others leave room for *queue* while more than *most* messages wait."""
        self._of[queue] = most, time.monotonic() + LASTS

    def discard(self, queue: str) -> None:
        """*queue* has its turn."""
        if self._of:
            self._of.pop(queue, None)

    def leave(self, places: int) -> int:
        """How many messages may wait where *places* could, if those passed over are to come."""
        if not self._of:
            return places
        now = time.monotonic()
        for queue, (most, until) in list(self._of.items()):
            if until < now:
                self._of.pop(queue, None)
            else:
                places = min(places, max(0, most - MAX_MESSAGES))
        return places
