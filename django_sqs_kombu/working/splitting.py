"""Splitting: a message that stands for several is sent as so many, and each is its own end."""

from __future__ import annotations

import time

from ..exceptions import EnvironmentFailure, MessageDecodeError, RequestFailed, SQSError
from ..logs import get_logger
from ..messages.base import RawMessage
from ..names import FIFO
from ..transport.delivery import Delivery
from ..transport.sending.splitting import is_its_own, part_of
from ..transport.sqs.failures import can_be_put_right
from .dead_letters import send_to_dead_letters
from .lost_part import LostPart
from .masking import loggable
from .middleware import Settlement, tell
from .registered import Received, Registered
from .table import Action

logger = get_logger(__name__)

#: Seconds before each try to send what is left, where SQS has taken the other parts: they would
#: come twice, should the whole be split once more.
PAUSES = (0.0, 1.0)


def split(registered: Registered, delivery: Received, message: RawMessage) -> bool:
    """Send the parts of a message that stands for several to its queue; its caller deletes it.

    Where SQS takes some of them, the rest is sent as one message, so that none comes twice.  A
    part that it refuses for its content is a dead letter alone.

    :returns: whether it stands for several, or for none, and no receiver is to have it.
    :raises MessageDecodeError: it is one of a FIFO queue, or no part can be sent at all.
    :raises EnvironmentFailure: SQS did not accept all of them.
    """
    if (parts := message.parts()) is None:
        return False
    if not parts:
        logger.info(
            "Message %s of queue %s only tests the way to the queue: no receiver gets it",
            delivery.message_id,
            delivery.queue,
        )
        return True
    if delivery.queue.endswith(FIFO):
        raise MessageDecodeError(
            f"It stands for {len(parts)} messages, and a FIFO queue would lose their order. "
            "Receive it with a message class that hands on the whole, such as RawMessage."
        )
    texts = {str(number): text for number, text in enumerate(parts, 1)}
    errors = delivery.send_parts(texts)
    left = [name for name, error in errors.items() if not is_its_own(error)]
    if left:
        if len(errors) == len(parts):
            raise _not_sent(len(parts), errors[left[0]])
        errors = {name: errors[name] for name in errors if name not in left}
        errors |= _send_rest(delivery, message, {name: texts[name] for name in left}, len(parts))
    elif len(errors) == len(parts):
        error = errors["1"]
        raise MessageDecodeError(
            f"It stands for {len(parts)} messages, none of which can be sent: {error}"
        ) from error
    for name, error in errors.items():
        _give_up(registered, delivery, name, texts[name], error)
    return True


def _send_rest(
    delivery: Received, message: RawMessage, texts: dict[str, str], count: int
) -> dict[str, SQSError]:
    """Send the parts that are left, as one message; return the one that is refused for itself.

    :param count: how many there were in all.
    :raises EnvironmentFailure: SQS does not accept it, either.
    """
    left = texts
    if len(texts) > 1:
        together = message.rest([int(name) - 1 for name in texts])
        left = texts if together is None else {f"{next(iter(texts))}+": together}
    errors: dict[str, SQSError] = {}
    for pause in PAUSES:
        time.sleep(pause)
        errors = delivery.send_parts(left)
        if all(name in texts and is_its_own(error) for name, error in errors.items()):
            return errors
        left = {name: left[name] for name in errors}
        if not all(_passes(error) for error in errors.values()):
            break
    raise _not_sent(count, next(iter(errors.values())))


def _passes(error: SQSError) -> bool:
    return can_be_put_right(error) if isinstance(error, RequestFailed) else not is_its_own(error)


def _not_sent(count: int, error: SQSError) -> EnvironmentFailure:
    failure = EnvironmentFailure(
        f"It stands for {count} messages, which could not be sent one by one: {error}"
    )
    failure.__cause__ = error
    return failure


def _give_up(
    registered: Registered, delivery: Received, name: str, text: str, error: SQSError
) -> None:
    """Send a part that its queue does not take to the dead letters, where there are such.

    :raises EnvironmentFailure: they cannot be reached now.
    """
    if not isinstance(delivery, Delivery):
        # One of a test, which takes all.
        raise error
    part = part_of(delivery, name, text)
    try:
        buried = send_to_dead_letters(registered, part, error)
    except SQSError as exc:
        if not is_its_own(exc):
            raise EnvironmentFailure(f"Its dead letter could not be sent: {exc}") from exc
        buried = False
    if middleware := registered.receivers.middleware:
        lost = LostPart(part, delivery, name, buried=buried)
        action = Action.DEAD_LETTER if buried else Action.REJECT
        failing = Settlement(registered, lost, None, action, error)
        tell(middleware, lambda each: each.failing(failing))
    logger.error(
        "Part %s of message %s of queue %s cannot be sent by itself and %s; body %s: %s",
        name,
        delivery.message_id,
        delivery.queue,
        "is sent to the dead letters" if buried else "is dropped: no dead-letter queue takes it",
        loggable(registered.name, part, None, registered.receivers.mask),
        error,
        extra={"queue": delivery.queue, "message_id": delivery.message_id},
    )
