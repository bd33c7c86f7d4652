"""Restarting: how a message that is to be tried again stays, and how often it was tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..exceptions import (
    Continue,
    EnvironmentFailure,
    MessageDecodeError,
    PassesSoon,
    RestartLater,
    kind_of,
)
from ..logs import get_logger
from ..odd import cause_of
from ..quotas import MAX_VISIBILITY_TIMEOUT
from ..transport.delivery import Delivery, receive_count
from ..transport.sending.resending import Delivery as Received
from ..transport.sending.trail import Trail
from ..transport.settling.backoff import Backoff
from .table import Attempts

logger = get_logger(__name__)


def attempts(attributes: Mapping[str, Any], message_attributes: Mapping[str, Any]) -> Attempts:
    """How often a message was tried, this time and before it was sent again included.

    :param attributes: SQS's own, ``ApproximateReceiveCount`` among them.
    :param message_attributes: those that it was sent with.
    """
    receives = receive_count({"Attributes": attributes})
    trail = Trail.of(message_attributes)
    return Attempts(receives + trail.restarts, receives + trail.tries)


def attempts_of(delivery: Received) -> Attempts:
    """The :func:`attempts` of what was delivered."""
    message = delivery.sqs_message
    return attempts(message.get("Attributes") or {}, message.get("MessageAttributes") or {})


def restart_delay(delay: float | timedelta | None) -> float | None:
    """Seconds of a RestartLater's delay, cut to what SQS takes; None: backoff."""
    if delay is None:
        return None
    try:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if math.isnan(seconds):
        logger.warning(
            "RestartLater(delay=%r) is not a number of seconds; the usual backoff is used", delay
        )
        return None
    if not 0 <= seconds <= MAX_VISIBILITY_TIMEOUT:
        logger.warning("RestartLater(delay=%r) is cut to 0 to %d s", delay, MAX_VISIBILITY_TIMEOUT)
    return min(max(seconds, 0.0), float(MAX_VISIBILITY_TIMEOUT))


def delay_after(raised: BaseException | None, delivery: Received) -> float | None:
    """Seconds; None: the usual backoff, as for whatever asks for no delay of its own."""
    if isinstance(raised, RestartLater):
        return restart_delay(raised.delay)
    if not passes_soon(raised):
        return None
    return backoff_after(raised, delivery).delay(attempts_of(delivery).receives)


def backoff_after(raised: BaseException | None, delivery: Received) -> Backoff:
    """How long a message waits that asks for no delay of its own."""
    usual = delivery.channel.backoff
    return usual.sooner if passes_soon(raised) else usual


def passes_soon(raised: BaseException | None) -> bool:
    """Whether what was raised, or what it was raised for, has passed most likely."""
    if raised is None:
        return False
    # Also what a message class has met.
    kind = raised.kind if isinstance(raised, MessageDecodeError) else kind_of(raised)
    return any(issubclass(each, PassesSoon) for each in (kind or object, type(cause_of(raised))))


def cursor_of(raised: BaseException | None) -> Any:
    """Where the next run is to go on; None: where this one did."""
    return raised.cursor if isinstance(raised, Continue) else None


def is_sent_again(
    delivery: Delivery, raised: BaseException | None, *, counts_tries: bool = False
) -> bool:
    """Whether a message that stays is sent again, so that its receive does not count.

    By default that is so where receives are counted: in a standard queue with a redrive
    policy, or whose messages have a number of tries.  A FIFO queue would lose its order.
    """
    counts = raised.counts if isinstance(raised, RestartLater) else None
    if counts or delivery.is_fifo or not _can_be_written(delivery):
        return False
    return counts is False or counts_tries or delivery.channel.requests.redrives(delivery.queue)


def _can_be_written(delivery: Delivery) -> bool:
    """Whether the message is known as it was sent: as a pointer, where S3 has not answered."""
    return all(isinstance(error, EnvironmentFailure) for _, error, _ in delivery.errors)


def is_last_receive(delivery: Delivery, *, in_doubt: bool = True) -> bool:
    """Whether SQS moves the message to the dead letters instead of delivering it once more.

    :param in_doubt: what is answered where the queue's redrive policy cannot be learnt.
    """
    requests = delivery.channel.requests
    if not requests.redrives(delivery.queue):
        return False
    redrive = requests.facts(delivery.queue).redrive
    if redrive is not None and redrive.is_assumed:
        return in_doubt
    return redrive is not None and delivery.receive_count >= redrive.max_receives
