"""Sending again: a message that is to be restarted, under the same identity."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from ...exceptions import (
    MessageEncodeError,
    MessageTooLarge,
    PayloadUnavailable,
    RequestFailed,
    TooOldToSendAgain,
)
from ...logs import get_logger
from ...names import DEFAULT_GROUP, FIFO
from ...printable import line
from ...quotas import MAX_ATTRIBUTES
from ..body.payloads import SIZE_ATTRIBUTES, LargePayloads
from ..settling.backoff import Backoff
from ..sqs.failures import can_be_put_right
from ..sqs.received import Message, moved_from
from ..sqs.requests import Requests
from ..sqs.waits import is_worth_another
from .checks import check_size, has_room
from .copies import copy_of
from .delays import delayed
from .dispatch import send_list
from .trail import TRAIL, Trail

logger = get_logger(__name__)

#: Seconds between the tries of sending again what is no longer in its queue.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
#: Seconds between two looks whether the worker stops.
LOOK = 0.1


def never() -> bool:
    """What says of no worker that it stops."""
    return False


class Sending(Protocol):
    """What sending again needs of a channel."""

    requests: Requests
    payloads: LargePayloads
    backoff: Backoff


class Delivery(Protocol):
    """What sending again needs to know of a delivery."""

    @property
    def channel(self) -> Sending:
        """The channel that it came by."""

    @property
    def queue(self) -> str:
        """The name of the queue that it was received from."""

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""

    @property
    def sqs_message(self) -> Message:
        """The message as ReceiveMessage returned it."""

    @property
    def sqs_body(self) -> str:
        """The SQS body; the payload itself where that is kept in S3."""


def send_again(
    delivery: Delivery,
    delay: float | None = None,
    *,
    tries: int = 0,
    cursor: Any = None,
    deleted: bool = False,
    stops: Callable[[], bool] = never,
) -> None:
    """Send a received message again: what :func:`sent_again` makes of it.

    :param deleted: it was deleted on receipt, so it must go: what fails for a reason that can
        pass is tried again for half a minute.
    :param stops: see :func:`send_surely`.
    :raises SQSError: it cannot be, or SQS did not accept it.
    """
    entry = sent_again(delivery, delay, tries=tries, cursor=cursor, deleted=deleted)
    if deleted:
        send_surely(delivery, delivery.queue, entry, stops)
    else:
        send_copy(delivery, delivery.queue, entry)


def sent_again(
    delivery: Delivery,
    delay: float | None = None,
    *,
    tries: int = 0,
    cursor: Any = None,
    deleted: bool = False,
) -> dict[str, Any]:
    """What is to be sent of a received message, as a new one of SQS that is known as the same.

    Its id, the time of its first sending and how often it was sent again stand in its trail;
    body, attributes and message group are kept.  Its receive count begins at 1.

    :param delay: seconds until it can be received, above 900 by hops; a FIFO queue takes
        none.  None: backoff from how often it was sent again.
    :param tries: how often it has been tried, in all; it carries that along.
    :param cursor: where it is to go on; one that it did not have yet counts as progress: then it
        has all its tries again, and no age.  None: where it was.
    :param deleted: it was deleted on receipt, so that neither age nor attributes hold it back.
        Else the received one stays with the caller, who deletes it.
    :raises TooOldToSendAgain: its queue's retention since it was first sent would be over.
    :raises MessageEncodeError: it has ten attributes of its sender's, so that there is no
        place for its trail.
    """
    trail = Trail.received(delivery.sqs_message)
    progress = cursor is not None and cursor != trail.cursor
    restarts = trail.restarts + 1
    if progress:
        trail, restarts, tries = replace(trail, cursor=cursor), 0, 0
    trail = replace(trail, restarts=restarts, due=None, tries=tries)
    if moved_from(delivery.sqs_message) not in ("", delivery.queue):
        # A dead letter does not expire, and of the copy SQS does not say that it is one.
        trail = replace(trail, expires=None)
    seconds = delivery.channel.backoff.delay(trail.restarts) if delay is None else max(0, delay)
    if not (deleted or progress):
        _check_age(delivery, trail, seconds)
    entry = _entry(delivery, trail, seconds)
    if not has_room(entry):
        if not deleted:
            raise MessageEncodeError(
                f"Message {delivery.message_id} of queue {delivery.queue!r} has as many "
                f"attributes as SQS takes ({MAX_ATTRIBUTES}, of which a payload in S3 needs one), "
                "which leaves no room for its id and its restarts: it cannot be sent again"
            )
        # Rather without its id than lost.
        del entry["MessageAttributes"][TRAIL]
    return entry


def payload_of(delivery: Delivery) -> dict[str, Any]:
    """The received message with its payload itself, where that is kept in S3.

    The old one's object there is deleted with it.
    """
    attributes = dict(delivery.sqs_message.get("MessageAttributes") or {})
    # One that cannot be read stays what it is: a pointer to it.
    if delivery.sqs_body != delivery.sqs_message.get("Body"):
        for name in SIZE_ATTRIBUTES:
            attributes.pop(name, None)
    return {
        **delivery.sqs_message,
        "Body": delivery.sqs_body,
        "MessageAttributes": attributes,
    }


def _entry(delivery: Delivery, trail: Trail, seconds: float) -> dict[str, Any]:
    entry = copy_of(payload_of(delivery), trail)
    if delivery.queue.endswith(FIFO):
        entry.setdefault("MessageGroupId", DEFAULT_GROUP)
        entry["MessageDeduplicationId"] = f"{trail.id}-{trail.restarts}"[-128:]
        return entry
    return delayed(entry, trail, time.time() + seconds)


def _check_age(delivery: Delivery, trail: Trail, seconds: float) -> None:
    if trail.sent is None:
        return
    retention = delivery.channel.requests.facts(delivery.queue).retention
    if time.time() + seconds > trail.sent + retention:
        raise TooOldToSendAgain(delivery.queue, delivery.message_id, retention)


def send_surely(
    delivery: Delivery, queue: str, entry: dict[str, Any], stops: Callable[[], bool] = never
) -> None:
    """Send what was made of a message that was deleted on receipt, so that it must go.

    :param queue: where to.
    :param stops: whether the worker stops.  Then what SQS refuses is tried once more at once, and
        is lost: nobody puts it right within a grace period, at whose end it would be lost untold.
    :raises SQSError: for half a minute, or as long as there was time, that did not succeed, or
        never will.
    """
    failure: Exception
    for pause in (*PAUSES, None):
        stopping, refused = stops(), False
        try:
            send_copy(delivery, queue, entry)
        except RequestFailed as exc:
            failure, refused = exc, not exc.passing
            if not can_be_put_right(exc) or (refused and stopping):
                break
        except MessageTooLarge as exc:
            failure = exc
            if entry["MessageAttributes"].pop(TRAIL, None) is None:
                break
            continue
        except (MessageEncodeError, PayloadUnavailable) as exc:
            # S3 did not take its payload.
            failure = exc
        else:
            return
        if pause is not None and not is_worth_another(pause):
            # Who ends it then would leave nothing of it in the log.
            break
        if pause is not None:
            logger.warning("%s is tried again in %g s: %s", _named(delivery), pause, failure)
            _rest(pause, stops if refused else never)
    # Its body is in the record of whoever settles it, who knows what may be shown of it.
    logger.critical(
        "%s, which was deleted on receipt, is lost: %s", _named(delivery), line(str(failure))
    )
    raise failure


def _rest(pause: float, stops: Callable[[], bool]) -> None:
    for _ in range(round(pause / LOOK)):
        if stops():
            return
        time.sleep(LOOK)


def send_copy(delivery: Delivery, queue: str, entry: dict[str, Any]) -> None:
    """Send what was made of a received message.

    :param queue: where to.
    :raises SQSError: SQS, or S3 for its payload, did not take it.
    """
    entry = made_ready(delivery, queue, entry)
    [error] = send_list(delivery.channel.requests, queue, [entry]).errors
    if error is not None:
        raise error


def made_ready(delivery: Delivery, queue: str, entry: dict[str, Any]) -> dict[str, Any]:
    """What was made of a received message, its payload put where it belongs.

    :raises SQSError: S3 did not take that, or SQS would not take the message.
    """
    entry = delivery.channel.payloads.offload(entry)
    check_size(queue, entry)
    return entry


def _named(delivery: Delivery) -> str:
    return f"Message {delivery.message_id} of queue {delivery.queue}"
