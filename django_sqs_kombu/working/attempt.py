"""Attempt: from a delivery to what its receiver returned or raised."""

from __future__ import annotations

import inspect
import time
from typing import Any

import kombu

from ..exceptions import NoReceiver, ReceiverReturnedGenerator
from ..messages.base import Delivery, RawMessage
from .context import MessageContext, current_message
from .deadline import deadline
from .instruments import around
from .registered import Registered

#: The least time, in seconds, that is left to await what a receiver returned.
LEAST_TIME = 0.001


def attempt(
    registered: Registered, delivery: Delivery, queue: kombu.Queue
) -> tuple[RawMessage | None, BaseException | None]:
    """Decode *delivery* and run the receiver on it.

    :returns: the message, if it could be decoded, and what was raised, if anything.
    """
    message = None
    context = MessageContext(queue.name, delivery.message_id, delivery.receive_count)
    token = current_message.set(context)
    try:
        with around(i.receiving(registered, delivery) for i in registered.receivers.instruments):
            message = registered.message_class.from_delivery(delivery, queue)
            registered.receive(message)
    except BaseException as exc:  # noqa: BLE001 - sys.exit() in a receiver, too
        return message, exc
    finally:
        current_message.reset(token)
    return message, None


def receive(registered: Registered, message: RawMessage) -> Any:
    """Run the receiver on *message*, within its ``timeout``; return what it returns.

    What it returns decides: something to await is awaited, in the time that is left.

    :raises NoReceiver: the queue was registered for sending only.
    :raises ReceiverReturnedGenerator: nothing of the receiver has run.
    :raises TimedOut: it took longer.
    """
    receiver, timeout = registered.receiver, registered.timeout
    if receiver is None:
        raise NoReceiver(registered.name)
    started = time.monotonic()
    # Calling a coroutine function runs nothing of it: no deadline needs to be set.
    with deadline(None if inspect.iscoroutinefunction(receiver) else timeout):
        result = receiver(message)
    # Awaited, it may turn out to be something to await again: sync_to_async(lambda: coroutine).
    while inspect.isawaitable(result):
        left = timeout and max(timeout - (time.monotonic() - started), LEAST_TIME)
        result = registered.run_async(result, left)
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise ReceiverReturnedGenerator(registered.name, receiver)
    return result
