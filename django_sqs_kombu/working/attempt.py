"""Attempt: from a delivery to what its receiver returned or raised."""

from __future__ import annotations

import inspect
import sys
import time
from types import FrameType
from typing import Any

import kombu

from ..exceptions import (
    Continue,
    EnvironmentFailure,
    NoReceiver,
    ReceiverReturnedGenerator,
    RequestFailed,
    RestartLater,
)
from ..logs import get_logger
from ..messages.base import RawMessage
from ..odd import as_a
from ..transport.sending.trail import TRAIL
from .context import MessageContext, current_message
from .deadline import deadline
from .dropping import free_at_start, why_dropped
from .exception_groups import deciding
from .forks import end_child, forks
from .interrupts import raise_interrupts
from .middleware import around_receiving
from .registered import Attempt, Received, Registered
from .splitting import split

logger = get_logger(__name__)

#: The least time, in seconds, that is left to await what a receiver returned.
LEAST_TIME = 0.001


def attempt(registered: Registered, delivery: Received, queue: kombu.Queue) -> Attempt:
    """Decode *delivery* and run the receiver on it; nothing is raised.

    It is called with context variables of the message's own (:func:`.context.apart`).

    One that stands for several is sent as so many instead, and one that stands for none is done.

    One that is to be dropped is not even decoded.  With ``delete_on_start`` the message is
    deleted between the two, so that one that cannot be decoded is settled as any other.
    """
    started = time.monotonic()
    context = known = current_message.get()
    if context is None or context.message_id != delivery.message_id:
        # As in eager mode.  Whoever handles it has set it, and for as long as it is settled.
        context = context_of(delivery, queue)
    # Most have none, and nothing that it could say.
    has_trail = TRAIL in context.message_attributes
    if has_trail and (dropped := why_dropped(registered, delivery)) is not None:
        return Attempt(raised=dropped)
    found = Attempt()
    token = None if context is known else current_message.set(context)
    try:
        if middleware := registered.receivers.middleware:
            with around_receiving(middleware, registered, delivery):
                _run(found, registered, delivery, queue, has_trail)
        else:
            _run(found, registered, delivery, queue, has_trail)
    except BaseException as exc:  # noqa: BLE001 - sys.exit() in a receiver, too
        found.raised, found.result = its_own(exc, registered), None
    finally:
        if token is not None:
            current_message.reset(token)
    found.seconds = time.monotonic() - started
    return found


def _run(
    found: Attempt,
    registered: Registered,
    delivery: Received,
    queue: kombu.Queue,
    has_trail: bool,
) -> None:
    """Decode *delivery* and run the receiver; *found* has as much of that as was done."""
    found.message = message = registered.message_class.from_delivery(delivery, queue)
    if has_trail:
        free_at_start(registered, delivery)
    if type(message).parts is not RawMessage.parts and split(registered, delivery, message):
        return
    if registered.delete_on_start and not delivery.acknowledged:
        delete_first(delivery)
    found.result = registered.receive(message)


def context_of(delivery: Received, queue: kombu.Queue) -> MessageContext:
    """What :data:`current_message` says while *delivery* is received."""
    return MessageContext(
        queue.name,
        delivery.message_id,
        delivery.receive_count,
        delivery.sqs_message.get("MessageAttributes") or {},
    )


def receive(registered: Registered, message: RawMessage | list[RawMessage]) -> Any:
    """Run the receiver on *message*, or on several, within its ``timeout``; return what it returns.

    What it returns decides: something to await is awaited, in the time that is left.

    :raises NoReceiver: the queue was registered for sending only.
    :raises ReceiverReturnedGenerator: nothing of the receiver has run.
    :raises TimedOut: it took longer.
    """
    receiver, timeout = registered.receiver, registered.timeout
    if receiver is None:
        raise NoReceiver(registered.name)
    forked = forks.count
    try:
        started = time.monotonic() if timeout else 0.0
        # Calling a coroutine function runs nothing of it: no deadline needs to be set.
        if timeout is None or inspect.iscoroutinefunction(receiver):
            result = receiver(message)
        else:
            with deadline(timeout):
                result = receiver(message)
        if result is None:
            return None
        # Awaited, it may turn out to be something to await again: sync_to_async(lambda: coroutine).
        while inspect.isawaitable(result):
            left = timeout and max(timeout - (time.monotonic() - started), LEAST_TIME)
            result = registered.run_async(result, left)
        check_returned(registered, result)
        return result
    finally:
        # It has ended: from now on Ctrl-C is not its own.
        receiver = None
        if forks.count != forked:
            end_child(sys.exc_info()[1])


def receive_all(registered: Registered, messages: list[RawMessage]) -> Any:
    """Run the receiver on several messages at once, as :func:`receive`.

    What it says of single ones by ``fail()`` and ``restart()`` is their ``verdict`` then.

    :raises RestartLater: in place of Continue, since each message has a cursor of its own.
    """
    try:
        return receive(registered, messages)
    except Continue as exc:
        logger.error(
            "Queue %s: Continue cannot be used with batch=: all messages start over",
            registered.name,
        )
        raise RestartLater from exc


def runs_receiver(frame: FrameType) -> bool:
    """Whether *frame* calls a receiver that has not ended, so that Ctrl-C is that receiver's."""
    if frame.f_code is not receive.__code__:
        return False
    known = frame.f_locals
    if known.get("receiver") is None:
        return False
    return "result" not in known or inspect.isawaitable(known["result"])


def check_returned(registered: Registered, result: Any) -> None:
    """Look at what a receiver returned.

    :raises ReceiverReturnedGenerator: nothing of the receiver has run.
    """
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise ReceiverReturnedGenerator(registered.name, registered.receiver)


def its_own(raised: BaseException, registered: Registered) -> BaseException:
    """What a receiver raised, as it counts.

    A KeyboardInterrupt counts only where Ctrl-C raises it; a group, as what it consists of.
    """
    if as_a(raised, KeyboardInterrupt) is None or is_interrupt(raised):
        return deciding(registered.counts_as(raised), registered.table)
    error = RuntimeError("the receiver raised KeyboardInterrupt, and nobody pressed Ctrl-C")
    error.__cause__ = raised
    return error


def is_interrupt(raised: BaseException) -> bool:
    """Whether Ctrl-C has raised it in this thread, and no receiver."""
    return as_a(raised, KeyboardInterrupt) is not None and raise_interrupts()


def delete_first(delivery: Received) -> None:
    """Delete a message before its receiver starts.

    :raises EnvironmentFailure: SQS has not done it.
    """
    try:
        delivery.delete_now()
    except RequestFailed as exc:
        raise EnvironmentFailure(
            f"it could not be deleted before its receiver starts (delete_on_start): {exc}"
        ) from exc
