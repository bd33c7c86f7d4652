"""Outcomes: settling a message by the table, whatever fails, and its log record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..exceptions import (
    Continue,
    EnvironmentFailure,
    MessageDecodeError,
    RestartLater,
    SQSError,
    TooOldToSendAgain,
)
from ..logs import get_logger
from ..messages.base import RawMessage
from ..printable import NAME, line, repr_of, text_of
from ..transport.delivery import Delivery
from ..transport.sending.resending import made_ready, send_again, sent_again
from .context import facts_of
from .dead_letters import send_to_dead_letters
from .freeing import free_at_end, frees_key
from .going_on import stopping
from .masking import loggable
from .middleware import Settlement, guarded, tell
from .registered import Registered
from .resends import delete_replaced, resend
from .restarting import (
    attempts_of,
    backoff_after,
    cursor_of,
    delay_after,
    is_last_receive,
    is_sent_again,
)
from .table import Action, Row, row_for

logger = get_logger(__name__)

#: What leaves a message for another receive.
_STAYING = (Action.REQUEUE, Action.RELEASE)
#: What deletes it, and whatever belongs to it.
_DELETING = (Action.DELETE, Action.DISCARD)
#: What becomes of it where its receiver has returned.
_RETURNED = row_for(None)


def settle(
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
    seconds: float = 0.0,
    *,
    told: bool = False,
) -> Action | None:
    """Log what became of a message, and do it; nothing that fails leaves it half settled.

    A settling that fails ends in a requeue with backoff or, where that fails as well, in
    nobody's renewing the message any more, so that SQS redelivers it.

    :param message: what the message class made of the delivery, if it could.
    :param raised: what the receiver raised, or None where it returned.
    :param seconds: how long decoding it and running its receiver took.
    :param told: whether the log has the traceback of what was raised, for another message.
    :returns: what was done; None: nothing could be, and SQS redelivers the message.
    """
    row = _RETURNED
    if raised is not None:
        row = row_for(raised, attempts_of(delivery), registered.table)
    if logger.isEnabledFor(row.level):
        # To quote the message may fail, for want of memory say.
        with suppress(Exception):
            log(row, registered, delivery, message, raised, told=told)
    receiver: object = registered.receiver
    # A NotesEnds; isinstance() with a protocol costs more than all else here.
    settling = getattr(receiver, "settling", None)
    if settling is not None:
        guarded(receiver, partial(settling, delivery, row.action, raised))
    middleware = registered.receivers.middleware
    retried = row.named and row.action is Action.REQUEUE
    if raised is not None and middleware:
        failing = Settlement(registered, delivery, message, row.action, raised, seconds, retried)
        tell(middleware, lambda each: each.failing(failing))
    try:
        action: Action | None = _carry_out(row, registered, delivery, message, raised)
    except TooOldToSendAgain as exc:
        exc.__cause__ = raised
        return settle(registered, delivery, message, exc, seconds)
    except Exception as exc:  # noqa: BLE001 - whatever a message class or a channel may raise
        action = _fall_back(row.action, registered, delivery, message, exc)
    if middleware:
        settlement = Settlement(registered, delivery, message, action, raised, seconds, retried)
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
    text = f"The message cannot be decoded: {line(text_of(exc))}"
    error = MessageDecodeError(text, kind=type(exc))
    error.__cause__ = exc
    return error


def log(
    row: Row,
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
    *,
    told: bool = False,
) -> None:
    """Write the log record that *row* asks for; where bodies are masked, without their parts."""
    text = "Message %s of queue %s (receive %d) %s"
    message_id = line(delivery.message_id, NAME)
    args: list[Any] = [message_id, delivery.queue, delivery.receive_count, row.says]
    mask = registered.receivers.mask
    # What cannot be decoded is quoted in the error's text, and in those that led to it.
    quotes = mask is not None and isinstance(raised, MessageDecodeError)
    if row.traceback:
        text += "; body %s"
        args.append(loggable(registered.name, delivery, message, mask))
    if row.reason or (row.traceback and (quotes or told)):
        text += ": %s"
        args.append(type(raised).__qualname__ if quotes else _reason(raised))
    exc_info = raised if row.traceback and not (quotes or told) else None
    logger.log(row.level, text, *args, exc_info=exc_info, extra=facts_of(delivery))


def say_cut_off(registered: Registered, delivery: Delivery) -> None:
    """Log a message whose receiver ends with this process, if it was deleted on receipt."""
    if registered.delete_on_start and delivery.acknowledged:
        logger.critical(
            "The receiver of message %s of queue %s is cut off; the message was deleted on "
            "receipt and is lost; body %s",
            delivery.message_id,
            delivery.queue,
            loggable(registered.name, delivery, None, registered.receivers.mask),
            extra=facts_of(delivery),
        )


def _carry_out(
    row: Row,
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
) -> Action:
    """Do what the *row* says, or what comes nearest to it; return what that is."""
    action = row.action
    if delivery.acknowledged:
        if registered.delete_on_start:
            try:
                _settle_deleted(row, registered, delivery, message, raised)
            except TooOldToSendAgain:
                raise
            except Exception:
                # It is gone all the same.
                free_at_end(registered, delivery, LookupError() if raised is None else raised)
                raise
        # Else the receiver has settled it itself.
        if not (registered.delete_on_start and action in _STAYING):
            free_at_end(registered, delivery, raised)
    elif action in _DELETING:
        free_at_end(registered, delivery, raised)
        _delete(delivery, message)
    elif action is Action.REQUEUE:
        return _leave(row, registered, delivery, raised)
    elif action is Action.RELEASE:
        delivery.release(at_end=True)
    elif action is Action.DEAD_LETTER:
        return _bury(registered, delivery, raised)
    else:
        _reject(registered, delivery, raised)
    return action


def _leave(
    row: Row, registered: Registered, delivery: Delivery, raised: BaseException | None
) -> Action:
    """Leave a message for another try; return what was done."""
    if row.retry is None:
        stay = partial(_stay, delivery, raised)
        if _is_sent_again(registered, delivery, raised):
            tries = attempts_of(delivery).tries - 1
            _send_again(delivery, delay_after(raised, delivery), tries, stay, cursor_of(raised))
        else:
            stay()
        return Action.REQUEUE
    tries = attempts_of(delivery).tries
    seconds = row.retry.pause(tries, backoff_after(raised, delivery))
    stay = partial(delivery.requeue, seconds)
    # A FIFO queue's is not sent again: in doubt SQS buries it, if it must be.
    if not is_last_receive(delivery, in_doubt=not delivery.is_fifo):
        stay()
    elif delivery.is_fifo:
        return _bury(registered, delivery, raised)
    else:
        # Else SQS would bury it without a reason, though it has tries left.
        _send_again(delivery, seconds, tries, stay)
    return Action.REQUEUE


def leave_unstarted(registered: Registered, delivery: Delivery) -> None:
    """Give back a message that was not started, so that its receive does not count, if that can be.

    A breaker gives back what waits each time it opens.  While half of the calls fail that may be
    often, and would bring messages to the dead letters that were hardly tried.
    """
    if _is_sent_again(registered, delivery, RestartLater(0)):
        # That it is too old to be sent again is for its receiver's next restart to say.
        with suppress(TooOldToSendAgain):
            _send_again(delivery, 0, attempts_of(delivery).tries - 1, delivery.release)
            return
    delivery.release()


def _stay(delivery: Delivery, raised: BaseException | None) -> None:
    """Leave a message in its queue, where its receive counts."""
    if isinstance(raised, Continue):
        _complain(delivery, "starts over later: it could not be sent with its cursor", raised)
        delivery.requeue()
    else:
        delivery.requeue(delay_after(raised, delivery))


def _bury(registered: Registered, delivery: Delivery, raised: BaseException | None) -> Action:
    """Send a message to the dead letters, or reject it where there are none."""
    if raised is not None and send_to_dead_letters(registered, delivery, raised):
        free_at_end(registered, delivery, raised)
        delete_replaced(delivery)
        return Action.DEAD_LETTER
    _reject(registered, delivery, raised)
    return Action.REJECT


def _reject(registered: Registered, delivery: Delivery, raised: BaseException | None) -> None:
    # SQS is asked what it would do only where that makes a difference; in doubt it stays.
    if frees_key(delivery) and (
        not delivery.channel.requests.redrives(delivery.queue)
        or is_last_receive(delivery, in_doubt=False)
    ):
        free_at_end(registered, delivery, raised)
    delivery.reject()


def _delete(delivery: Delivery, message: RawMessage | None) -> None:
    if message is None or type(message).delete is RawMessage.delete:
        delivery.ack()
        return
    # The class's own may have more to remove, as BigMessage's has.
    try:
        message.delete()
    except Exception as exc:  # noqa: BLE001 - whatever a message class may raise
        # The receiver is done: received again, the message would be done twice.
        _complain(
            delivery,
            "is done, but what belongs to it, such as an object in S3, could not be deleted",
            exc,
        )
    if not delivery.acknowledged:
        delivery.ack()


def _is_sent_again(
    registered: Registered, delivery: Delivery, raised: BaseException | None
) -> bool:
    """Whether a message is sent again, so that its receive does not count."""
    try:
        return is_sent_again(delivery, raised, counts_tries=registered.policy.counts_tries)
    except Exception as exc:  # noqa: BLE001 - then it stays
        _complain(delivery, "could not be sent again; it stays, and the receive counts", exc)
        return False


def _send_again(
    delivery: Delivery,
    seconds: float | None,
    tries: int,
    stay: Callable[[], None],
    cursor: Any = None,
) -> None:
    """Send the message again in place of the received one.

    :param tries: how often it was tried in all.
    :param stay: called where that cannot be.
    """

    def stays(exc: Exception) -> None:
        _complain(delivery, "could not be sent again; it stays, and the receive counts", exc)
        stay()

    try:
        entry = sent_again(delivery, seconds, tries=tries, cursor=cursor)
        entry = made_ready(delivery, delivery.queue, entry)
    except TooOldToSendAgain:
        raise
    except Exception as exc:  # noqa: BLE001 - then it stays
        stays(exc)
    else:
        resend(delivery, entry, stays)


def _settle_deleted(
    row: Row,
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    raised: BaseException | None,
) -> None:
    # The message is gone from the queue already, so what is to stay is sent again.
    if row.action in _DELETING and message is not None:
        message.delete()
    elif row.action is Action.DEAD_LETTER and raised is not None:
        send_to_dead_letters(registered, delivery, raised, deleted=True)
    elif row.action in _STAYING:
        tries = attempts_of(delivery).tries
        if row.retry is not None:
            seconds: float | None = row.retry.pause(tries, backoff_after(raised, delivery))
        else:
            seconds = delay_after(raised, delivery) if row.action is Action.REQUEUE else 0
            tries -= 1
        cursor = cursor_of(raised)
        send_again(delivery, seconds, tries=tries, cursor=cursor, deleted=True, stops=stopping)


def _fall_back(
    action: Action,
    registered: Registered,
    delivery: Delivery,
    message: RawMessage | None,
    exc: Exception,
) -> Action | None:
    """What is done instead of an *action* that failed."""
    if delivery.acknowledged and action in _STAYING:
        # Only with delete_on_start.
        body = loggable(registered.name, delivery, message, registered.receivers.mask)
        _complain(delivery, f"was deleted on receipt and is lost; body {body}", exc)
        return None
    if delivery.acknowledged and action is Action.DEAD_LETTER and registered.delete_on_start:
        body = loggable(registered.name, delivery, message, registered.receivers.mask)
        _complain(delivery, f"was deleted on receipt and its dead letter is lost; body {body}", exc)
        return action
    if delivery.acknowledged:
        _complain(delivery, f"could not be settled completely ({action.value})", exc)
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
            extra=facts_of(delivery),
        )


def _reason(raised: BaseException | None) -> str:
    return line(text_of(raised) if isinstance(raised, SQSError) else repr_of(raised))
