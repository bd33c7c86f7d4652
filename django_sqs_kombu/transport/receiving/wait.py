"""Wait: how long polls wait for messages."""

from __future__ import annotations

from ...quotas import MAX_WAIT_TIME


class Wait:
    """Grows while a queue stays empty.

    A long poll answers as soon as a message is there, so waiting longer costs no latency and
    fewer requests.

    :param usual: seconds, while messages come.
    :param lasting: whether the consumer comes back for sure.
    :ivar longest: seconds, at most: twice the usual, and no more than SQS's limit.
    """

    def __init__(self, usual: int, *, lasting: bool, most: int = MAX_WAIT_TIME) -> None:
        self.usual = usual
        self.longest = min(most, 2 * usual)
        self._lasting = lasting
        self._seconds = usual if lasting else min(1, usual)

    def seconds(self, away: float) -> int:
        """Seconds that the next poll waits.

        :param away: seconds since the consumer was here; 0: it waits.
        """
        if self._lasting or away == 0:
            return self._seconds
        # Whoever is away may come back to close the connection, which waits for this poll.
        return min(1, self._seconds)

    def answered(self, received: int, waited: int) -> None:
        """A poll that was to wait for so many seconds brought so many messages."""
        if received:
            self._seconds = self.usual
        elif waited:
            self._seconds = min(self.longest, max(1, waited * 2))
