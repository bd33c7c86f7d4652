"""Outcomes: settling a message by the table, and its log record."""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import Any

from ..exceptions import MessageDecodeError, PayloadUnavailable, RestartLater, SQSError
from ..messages.base import RawMessage
from ..printable import NAME, line, quoted
from ..quotas import MAX_VISIBILITY_TIMEOUT
from ..transport.delivery import Delivery
from ..transport.sending.resending import send_again
from .instruments import Settlement
from .registered import Registered
from .table import Action, Row, row_for

logger = logging.getLogger(__name__)


def settle(
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
) -> Action:
    """Log what became of a message, and do it.

    :param message: what the message class made of the delivery, if it could.
    :param raised: what the receiver raised, or None where it returned.
    """
    row = row_for(raised)
    log(row, delivery, message, raised)
    if registered.delete_on_start:
        _settle_deleted(delivery, row, raised)
    elif not delivery.acknowledged:
        _settle_held(delivery, message, row, raised)
    settlement = Settlement(registered, delivery, message, row.action, raised)
    for instrument in registered.receivers.instruments:
        instrument.settled(settlement)
    return row.action


def settle_undecodable(registered: Registered, delivery: Delivery, exc: Exception) -> None:
    """Settle a message whose payload is gone, or whose compression Kombu cannot undo."""
    if isinstance(exc, PayloadUnavailable):
        log(row_for(exc), delivery, None, exc)
        delivery.requeue()
        return
    error = MessageDecodeError(f"The message cannot be decoded: {line(str(exc))}")
    try:
        if registered.delete_on_start:
            delivery.delete_now()
        settle(registered, delivery, None, error)
    except SQSError as failed:
        logger.error("%s", failed)


def log(
    row: Row, delivery: Delivery, message: RawMessage | None, raised: BaseException | None
) -> None:
    """Write the log record that *row* asks for."""
    if not logger.isEnabledFor(row.level):
        return
    text = "Message %s of queue %s (receive %d) %s"
    message_id = line(delivery.message_id, NAME)
    args: list[Any] = [message_id, delivery.queue, delivery.receive_count, row.says]
    if row.traceback:
        text += "; body %s"
        args.append(printable(delivery, message))
    if row.reason:
        text += ": %s"
        args.append(raised)
    logger.log(
        row.level,
        text,
        *args,
        exc_info=raised if row.traceback else None,
        extra={
            "queue": delivery.queue,
            "message_id": delivery.message_id,
            "receive_count": delivery.receive_count,
        },
    )


def printable(delivery: Delivery, message: RawMessage | None) -> str:
    """The body for the log: decoded if it could be, cut and escaped."""
    try:
        return quoted(delivery.text if message is None else message.get_body())
    except Exception:  # noqa: BLE001 - a body that cannot be shown is no reason to fail
        return quoted(delivery.sqs_body)


def restart_delay(delay: float | timedelta | None) -> float | None:
    """Seconds of a RestartLater's delay, cut to what SQS takes; None: backoff."""
    if delay is None:
        return None
    try:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isnan(seconds):
        logger.warning("RestartLater(delay=%r) is no number of seconds; backoff instead", delay)
        return None
    if not 0 <= seconds <= MAX_VISIBILITY_TIMEOUT:
        logger.warning("RestartLater(delay=%r) is cut to 0 to %d s", delay, MAX_VISIBILITY_TIMEOUT)
    return min(max(seconds, 0.0), float(MAX_VISIBILITY_TIMEOUT))


def _settle_held(
    delivery: Delivery, message: RawMessage | None, row: Row, raised: BaseException | None
) -> None:
    if row.action is Action.DELETE:
        # The message's own delete() may have more to remove, as BigMessage has.
        message.delete() if message is not None else delivery.ack()
    elif row.action is Action.REQUEUE:
        delivery.requeue(_requeue_delay(raised))
    elif row.action is Action.RELEASE:
        delivery.release()
    else:
        delivery.reject()


def _settle_deleted(delivery: Delivery, row: Row, raised: BaseException | None) -> None:
    # The message is gone from the queue already, so what is to stay is sent again.
    if row.action not in (Action.REQUEUE, Action.RELEASE):
        return
    delay = _requeue_delay(raised) if row.action is Action.REQUEUE else 0
    send_again(delivery, delay, deleted=True)


def _requeue_delay(raised: BaseException | None) -> float | None:
    """Seconds; None: backoff, as for whatever asks for no delay of its own."""
    return restart_delay(raised.delay) if isinstance(raised, RestartLater) else None
