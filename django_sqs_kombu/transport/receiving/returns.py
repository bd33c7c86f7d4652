"""Returns: messages of one queue that are given back unstarted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ...logs import get_logger
from ..holding.held import Held, State
from ..sqs.pauses import Pause
from ..sqs.threads import aside
from .consumption import Consumption, Receiving
from .terms import Terms

logger = get_logger(__name__)


class Returns:
    """Gives back what waits in vain; it has no thread.

    :param consumption: which queue, and how it is consumed.
    :param shared: what the pollers of its channel share.
    :ivar terms: what is known of the queue, if it was asked.
    :ivar keeps: whether what was received is for the consumer also while the queue is paused.
    """

    def __init__(self, consumption: Consumption, shared: Receiving) -> None:
        self.terms: Terms | None = None
        self.keeps = False
        self._consumption = consumption
        self._shared = shared
        self._asking = False

    @property
    def redrives(self) -> bool:
        """Whether the queue has a redrive policy, or may have one: it was not asked yet."""
        return self.terms is None or self.terms.redrives

    def kept(self, pause: Pause) -> bool:
        """Whether what waits is for the consumer still, although a pause has begun."""
        asked = self._consumption.keeps
        self.keeps = asked is not None and asked(pause)
        return self.keeps

    def one_by_one(self) -> bool:
        """Whether no more than one message may be held, so that it harms no other."""
        asked = self._consumption.one_by_one
        return asked is not None and self.redrives and asked()

    def on_credit(self) -> bool:
        """Whether the consumer may leave at any time, and what is given back then counts."""
        lasts = self._consumption.lasting or self._shared.inbox.pace.always
        return not lasts and self.redrives

    def stale(self, held: Held, now: float) -> bool:
        """Whether a message that waits is better given back than renewed.

        Where SQS would bury it for being received too often it stays, unless its consumer has
        been gone for a visibility timeout and may never come back.
        """
        if held.reading:
            # Who gets it next would begin anew, and what takes longer would come to nobody.
            return False
        if self._is_forgotten(held, now):
            return True
        return not self._asking and not (self.terms and self.terms.redrives)

    def give_back_stale(self, held: Sequence[Held]) -> None:
        """Give back what waits for too long, where SQS still does not bury it for that."""
        now = time.monotonic()
        if not all(self._is_forgotten(each, now) for each in held):
            with self._shared.table.lock:
                if self._asking:
                    return
                # Until the answer is here they are renewed.
                self._asking = True
            try:
                self.terms = self._shared.terms.recent(self._consumption.queue)
            finally:
                self._asking = False
        self.give_back([each for each in held if self.stale(each, time.monotonic())])

    def give_back(self, held: Sequence[Held]) -> None:
        """Make messages that were not started visible to others at once."""
        if count := self._release(held):
            self._say_given_back(count)

    def give_back_under_lock(self, held: Sequence[Held]) -> None:
        """The same where the table's lock is held, under which nothing may be logged."""
        if count := self._release(held):
            aside(partial(self._say_given_back, count))

    def _release(self, held: Sequence[Held]) -> int:
        # Two threads may find the same ones: each is given back, and counted, by one of them.
        with self._shared.table.lock:
            mine = [each for each in held if each.state is State.WAITING]
            # The last first: what is behind another of its group would go with that.
            self._shared.keeper.release(reversed(mine))
        if mine and self._consumption.limit is not None:
            self._consumption.limit.give_back(len(mine))
        return len(mine)

    def _say_given_back(self, count: int) -> None:
        logger.info("Giving back %d message(s) to queue %s", count, self._consumption.queue)

    def _is_forgotten(self, held: Held, now: float) -> bool:
        """Whether its consumer has been gone for so long that it may never come back."""
        away = self._shared.inbox.pace.away(now)
        return not self._consumption.lasting and away > held.seconds
