"""PauseWatch: looks, about once a minute, whether the queue of a poller is paused."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from ...exceptions import EndpointUnreachable, QueueDoesNotExist, RequestFailed
from ...logs import get_logger
from ..sqs.calls import Begun, Result
from ..sqs.failures import are_refused
from ..sqs.pauses import Pause
from ..sqs.threads import aside
from ..sqs.wire.reactor import reactor
from .consumption import Receiving

logger = get_logger(__name__)

OPERATION = "ListQueueTags"
#: Seconds between two looks at a queue that is polled, or paused.
PERIOD = 60.0
#: Looks are early by up to this share, so that those of many queues spread.
SPREAD = 0.1
#: Seconds until the next look at a queue whose tags may not be read: somebody may allow it.
DENIED = 3600.0
#: How often a first look is tried that fails for a reason that can pass. A queue that is paused
#: must not be polled for that; nor must one wait for ever whose server knows no tags.
TRIES = 3
#: Seconds between two questions whether anybody takes messages, where a look is due.
PATIENCE = 1.0

_told_lock = threading.Lock()
_told: set[str] = set()


class PauseWatch:
    """Whether a queue is paused; it has no thread, and asks only while the queue is polled.

    What was learnt counts until the next answer, and a pause with an end until then, so nothing
    that fails pauses a queue or resumes it.

    :param queue: the queue's name.
    :param receiving: what asks SQS, and how often; 0 seconds: never.
    :param changed: called, from any thread, when a pause has begun, and with None when it ended.
    :param wanted: whether anybody takes messages now.
    """

    def __init__(
        self,
        queue: str,
        receiving: Receiving,
        changed: Callable[[Pause | None], None],
        wanted: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._requests = receiving.requests
        self._period = receiving.look
        self._changed = changed
        self._wanted = wanted
        self._pause: Pause | None = None
        #: When to look next, on the monotonic clock.
        self._looks_at = 0.0
        self._tries = TRIES
        self._looking = False

    @property
    def paused(self) -> bool:
        """Whether nothing is to be received now."""
        return self._pause is not None and not self._pause.is_over()

    @property
    def is_to_learn(self) -> bool:
        """Whether nobody has looked yet, and somebody must before the first poll."""
        return bool(self._period) and not self._looks_at

    def begin(self, done: Callable[[Exception | None], None], seconds: float) -> Begun:
        """Look for the first time, as :meth:`learn`, but wait for nothing.

        :param done: called with what :meth:`learn` would have raised, from any thread.
        :param seconds: how long the answer may take.
        """

        def heard(answer: Result) -> None:
            failure: Exception | None
            try:
                failure = self._first(answer)
            except Exception as exc:  # noqa: BLE001 - a thread looks again, and says it
                failure = exc
            done(failure)

        return self._requests.begin(OPERATION, self._queue, {}, heard, seconds=seconds)

    def learn(self) -> None:
        """Look for the first time, before the first poll; it waits for the answer.

        :raises RequestFailed: it cannot be known now, so the queue must not be polled yet.
        """
        if not self.is_to_learn:
            return
        answer: Result
        try:
            answer = self._requests.call(OPERATION, self._queue)
        except RequestFailed as exc:
            answer = exc
        failure = self._first(answer)
        if failure is not None:
            raise failure

    def _first(self, answer: Result) -> Exception | None:
        """Hear the answer to a first look; returned: why it cannot be known now."""
        if isinstance(answer, Exception):
            self._tries -= 1
            if isinstance(answer, QueueDoesNotExist) and not self._requests.account.predefined:
                # Its URL was an old one, and is asked for again.
                return answer
            if not isinstance(answer, RequestFailed) or isinstance(answer, EndpointUnreachable):
                return answer
            if _passes(answer) and self._tries > 0:
                return answer
        self._heard(answer)
        return None

    def look_if_due(self, now: float) -> None:
        """Have the reactor look, where that is due; from any thread.

        :param now: about the time, on the monotonic clock.
        """
        if now >= self._looks_at > 0 and self._period and not self._looking:
            self.look()

    def look(self) -> None:
        """Have the reactor look now; from any thread."""
        if self._period and not self._looking:
            self._looking = True
            reactor.soon(self._begin)

    def until(self, now: float) -> float | None:
        """Until when nothing is to be asked for, on the monotonic clock; None: it is not paused.

        Then one asks again: it may go on.
        """
        pause = self._pause
        if pause is None:
            return None
        left = pause.seconds_left()
        if left == 0:
            # It has ended by itself; whoever waits for that is told, but not here.
            aside(partial(self._ended, pause))
            return None
        if self._wanted():
            # Where nobody takes messages, nobody needs to know.
            self.look_if_due(now)
        looks_at = max(self._looks_at, now + PATIENCE)
        return looks_at if left is None else min(looks_at, now + left)

    def _begin(self) -> None:
        try:
            self._requests.begin(OPERATION, self._queue, {}, self._answered)
        except Exception as exc:  # noqa: BLE001 - what is known counts until the next look
            self._answered(exc)

    def _answered(self, answer: Result) -> None:
        try:
            self._heard(answer)
        except Exception:
            logger.exception(
                "A pause or resume in the tags of queue %s could not be applied", self._queue
            )
            self._next(self._period)
        finally:
            self._looking = False

    def _heard(self, answer: Result) -> None:
        if isinstance(answer, Exception):
            passing = _passes(answer)
            self._next(self._period if passing else max(DENIED, self._period))
            if passing:
                logger.debug("Cannot find out whether queue %s is paused: %s", self._queue, answer)
            else:
                _tell(self._queue, answer)
            return
        self._next(self._period)
        tags = answer.get("Tags")
        self._learnt(Pause.of(tags if isinstance(tags, dict) else None))

    def _next(self, seconds: float) -> None:
        early = random.uniform(0, SPREAD)  # noqa: S311 - nobody gains by guessing it
        self._looks_at = time.monotonic() + seconds * (1 - early)

    def _ended(self, pause: Pause) -> None:
        if self._pause is pause:
            self._learnt(None)

    def _learnt(self, pause: Pause | None) -> None:
        before, self._pause = self._pause, pause
        if pause == before:
            return
        if pause is None:
            logger.warning("Queue %s is resumed", self._queue)
        else:
            logger.warning("Queue %s is paused: %s", self._queue, pause)
        self._changed(pause)


def _passes(failure: Exception) -> bool:
    """Whether it may be known at the next look: keys that were exchanged are found by then."""
    return not isinstance(failure, RequestFailed) or failure.passing or are_refused(failure)


def _tell(queue: str, why: Exception) -> None:
    """Say once in a process, and of the others as a detail, that tags cannot be read."""
    with _told_lock:
        first = not _told
        _told.add(queue)
    if first:
        logger.warning(
            "The tags of queue %s, and maybe of others, cannot be read: this worker keeps "
            "receiving, and would not notice a pause. sqs_policy prints the permissions that it "
            "needs. %s",
            queue,
            why,
        )
    else:
        logger.debug("The tags of queue %s cannot be read: %s", queue, why)
