"""Polls: what is known of one under way, and what is done around them in threads that may wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ...logs import get_logger
from ..sqs.calls import Begun
from ..sqs.threads import Threads
from ..sqs.wire.reactor import reactor

logger = get_logger(__name__)

T = TypeVar("T")

#: Seconds beyond a poll's own wait that its end is waited for.
POLL_MARGIN = 14.0
#: Seconds beyond a poll's own wait from which its answer counts as late, and after this process
#: went on that was stopped.
LATE = 1.0

#: What calls observers of polls, who may take their time: one thread, so that they are told in
#: order.
_observers = Threads("sqs-observers", most=1)
#: What asks for what must be known of queues before they are polled.
_preparing = Threads("sqs-prepare", most=16, idle=0.5)


@dataclass(slots=True, eq=False)
class Poll:
    """One ReceiveMessage.

    :param places: the messages that there are places for.
    :param asked: how many of them it asks for.
    :param wait: seconds that it waits for messages.
    :param alone: whether there was none under way when it began.
    :ivar asked_at: when it was sent, on the monotonic clock.
    :ivar seconds: the visibility timeout that it asks for.
    """

    places: int
    asked: int
    wait: int
    alone: bool
    asked_at: float = 0.0
    seconds: int = 0
    begun: Begun | None = None


def is_late(asked_at: float, wait: int) -> bool:
    """Whether the answer to a poll was long on its way, or may have waited for this process.

    :param asked_at: when it was sent, on the monotonic clock.
    :param wait: seconds that it was to wait for messages.
    """
    now = time.monotonic()
    return now - asked_at > wait + LATE or now - reactor.stalled_at < LATE


def tell(observer: Callable[[T], None], queue: str, what: T) -> None:
    """Have an observer of *queue* told something: how many messages a poll brought, say."""

    def call() -> None:
        try:
            observer(what)
        except Exception:
            logger.exception("An observer of the polls of queue %s failed", queue)

    try:
        _observers.run(call)
    except RuntimeError:
        # No thread to be had now.
        call()


def before_polls(prepare: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
    """Have *prepare* called in a thread, and then *then*, with what it raised."""

    def run() -> None:
        try:
            prepare()
        except Exception as exc:  # noqa: BLE001 - whoever polls says it, and tries again
            then(exc)
        else:
            then(None)

    try:
        _preparing.run(run)
    except RuntimeError as exc:
        then(exc)
