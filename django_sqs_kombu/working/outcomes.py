"""Outcomes: settling a message by the table, whatever fails, and its log record."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from ..exceptions import (
    EnvironmentFailure,
    MessageDecodeError,
    SQSError,
    TooOldToSendAgain,
)
from ..logs import get_logger
from ..messages.base import RawMessage
from ..printable import NAME, line, quoted
from ..transport.delivery import Delivery
from ..transport.sending.resending import send_again
from .middleware import Settlement, guarded, tell
from .registered import Registered
from .restarting import attempts_of, is_sent_again, requested_delay
from .table import Action, Row, row_for

logger = get_logger(__name__)

#: What leaves a message for another receive.
_STAYING = (Action.REQUEUE, Action.RELEASE)


def settle(
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
    seconds: float = 0.0,
) -> Action | None:
    """Log what became of a message, and do it; nothing that fails leaves it half settled.

    A settling that fails ends in a requeue with backoff or, where that fails as well, in
    nobody's renewing the message any more, so that SQS redelivers it.

    :param message: what the message class made of the delivery, if it could.
    :param raised: what the receiver raised, or None where it returned.
    :param seconds: how long decoding it and running its receiver took.
    :returns: what was done; None: nothing could be, and SQS redelivers the message.
    """
    if raised is None:
        row = row_for(None)
    else:
        row = row_for(raised, attempts_of(delivery), registered.receivers.retry)
    # A filter that the project gave its logs must not cost a message.
    with suppress(Exception):
        log(row, delivery, message, raised)
    receiver: object = registered.receiver
    # A NotesEnds; isinstance() with a protocol costs more than all else here.
    settling = getattr(receiver, "settling", None)
    if settling is not None:
        guarded(receiver, partial(settling, delivery, row.action, raised))
    try:
        action: Action | None = row.action
        _carry_out(row.action, registered, delivery, message, raised)
    except TooOldToSendAgain as exc:
        exc.__cause__ = raised
        return settle(registered, delivery, message, exc, seconds)
    except Exception as exc:  # noqa: BLE001 - whatever a message class or a channel may raise
        action = _fall_back(row.action, delivery, exc)
    middleware = registered.receivers.middleware
    if middleware:
        settlement = Settlement(registered, delivery, message, action, raised, seconds)
        tell(middleware, lambda each: each.settled(settlement))
    return action


def settle_undecodable(
    registered: Registered, delivery: Delivery, exc: BaseException
) -> Action | None:
    """Settle a message whose payload is gone, or whose compression Kombu cannot undo.

    No receiver has run, so with ``delete_on_start`` it is settled as any other.
    """
    return settle(registered, delivery, None, undecodable(exc))


def undecodable(exc: BaseException) -> EnvironmentFailure | MessageDecodeError:
    """What stands in the table for why the transport could not read a message."""
    if isinstance(exc, EnvironmentFailure | MessageDecodeError):
        return exc
    error = MessageDecodeError(f"The message cannot be decoded: {line(str(exc))}", kind=type(exc))
    error.__cause__ = exc
    return error


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
        args.append(_reason(raised))
    logger.log(
        row.level, text, *args, exc_info=raised if row.traceback else None, extra=_facts(delivery)
    )


def printable(delivery: Delivery, message: RawMessage | None) -> str:
    """The body for the log: decoded if it could be, cut and escaped."""
    try:
        return quoted(delivery.text if message is None else message.get_body())
    except Exception:  # noqa: BLE001 - a body that cannot be shown is no reason to fail
        return quoted(delivery.sqs_body)


def _carry_out(
    action: Action,
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
) -> None:
    if delivery.acknowledged:
        if registered.delete_on_start:
            _settle_deleted(action, delivery, message, raised)
        # Else the receiver has settled it itself.
    elif action is Action.DELETE:
        _delete(delivery, message)
    elif action is Action.REQUEUE:
        if not _sent_again(delivery, raised):
            delivery.requeue(requested_delay(raised))
    elif action is Action.RELEASE:
        delivery.release()
    else:
        delivery.reject()


def _delete(delivery: Delivery, message: RawMessage | None) -> None:
    # The message's own delete() may have more to remove, as BigMessage has.
    try:
        if message is not None:
            message.delete()
    except Exception as exc:  # noqa: BLE001 - whatever a message class may raise
        # The receiver is done: received again, the message would be done twice.
        _complain(delivery, "is done; what else belongs to it could not be deleted", exc)
    if not delivery.acknowledged:
        delivery.ack()


def _sent_again(delivery: Delivery, raised: BaseException | None) -> bool:
    """Send the message again, where its receive is not to count; return whether it is done."""
    try:
        if not is_sent_again(delivery, raised):
            return False
        send_again(delivery, requested_delay(raised))
    except TooOldToSendAgain:
        raise
    except Exception as exc:  # noqa: BLE001 - then it stays
        _complain(delivery, "could not be sent again; it stays, and the receive counts", exc)
        return False
    delivery.ack()
    return True


def _settle_deleted(
    action: Action, delivery: Delivery, message: RawMessage | None, raised: BaseException | None
) -> None:
    # The message is gone from the queue already, so what is to stay is sent again.
    if action is Action.DELETE and message is not None:
        message.delete()
    elif action in _STAYING:
        delay = requested_delay(raised) if action is Action.REQUEUE else 0
        send_again(delivery, delay, deleted=True)


def _fall_back(action: Action, delivery: Delivery, exc: Exception) -> Action | None:
    """What is done instead of an *action* that failed."""
    if delivery.acknowledged and action in _STAYING:
        # Only with delete_on_start.
        _complain(delivery, "was deleted on receipt and could not be sent again", exc)
        return None
    if delivery.acknowledged:
        _complain(delivery, f"could not be settled ({action.value}) to the end", exc)
        return action
    try:
        delivery.requeue()
        done: Action | None = Action.REQUEUE
    except Exception:  # noqa: BLE001 - then SQS has it again after its visibility timeout
        done = None
        with suppress(Exception):
            delivery.abandon()
    later = "it is tried again later" if done else "SQS redelivers it"
    _complain(delivery, f"could not be settled ({action.value}); {later}", exc)
    return done


def _complain(delivery: Delivery, text: str, exc: BaseException) -> None:
    # Errors of our own say all themselves.
    with suppress(Exception):
        logger.error(
            "Message %s of queue %s (receive %d) %s: %s",
            delivery.message_id,
            delivery.queue,
            delivery.receive_count,
            text,
            _reason(exc),
            exc_info=None if isinstance(exc, SQSError) else exc,
            extra=_facts(delivery),
        )


def _reason(raised: BaseException | None) -> str:
    return line(str(raised) if isinstance(raised, SQSError) else repr(raised))


def _facts(delivery: Delivery) -> dict[str, Any]:
    return {
        "queue": delivery.queue,
        "message_id": delivery.message_id,
        "receive_count": delivery.receive_count,
    }
