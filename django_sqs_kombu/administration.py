"""What operators do with a queue's messages: peek, move, and redrive dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .exceptions import ConfigurationError, RequestFailed
from .logs import get_logger
from .names import DEFAULT_GROUP, FIFO
from .quotas import MAX_MESSAGES
from .sifting import HOLD, Sieve, Wanted
from .sifting import MOST_SIFTED as MOST_SIFTED
from .transport.sending.copies import copy_of
from .transport.sending.dispatch import send_list
from .transport.sqs.facts import redrive_policy
from .transport.sqs.failures import can_be_put_right
from .transport.sqs.received import Message
from .transport.sqs.requests import Requests

logger = get_logger(__name__)

#: Seconds between the tries to delete what was moved; together less than :data:`HOLD`.
DELETE_PAUSES = (0.2, 1.0, 3.0, 8.0)
#: More could come round again before all are seen.
MOST_PEEKED = 200
#: Servers that have no StartMessageMoveTask, or not for this queue, answer with one of these.
NO_MOVE_TASKS = frozenset(
    {
        "500",
        "AWS.SimpleQueueService.UnsupportedOperation",
        "InternalFailure",
        "InvalidAction",
        "UnknownOperationException",
        "UnsupportedOperation",
    }
)

Progress = Callable[[int], None]


def peek(requests: Requests, queue: str, count: int) -> list[Message]:
    """Look at up to *count* messages, and leave them in the queue.

    SQS has no request for that: they are received, and given back, visible at once.  That counts
    as a receive, also for a redrive policy, and blocks others of their message groups
    until then.

    :raises ConfigurationError: *count* is not 1 to :data:`MOST_PEEKED`.
    """
    if not 1 <= count <= MOST_PEEKED:
        raise ConfigurationError(f"count must be from 1 to {MOST_PEEKED} messages, not {count}")
    held: list[Message] = []
    try:
        for messages in _received(requests, queue, count):
            held += messages
    finally:
        if held:
            requests.release(queue, held)
    return held


def move(
    requests: Requests,
    source: str,
    target: str,
    *,
    limit: int,
    progress: Progress | None = None,
    wanted: Wanted | None = None,
    most: int = MOST_SIFTED,
    arriving: bool = False,
) -> int:
    """Move messages from one queue to another; return how many.

    Each is deleted only after *target* has accepted it, so for a moment one may be in both, and
    stays so if the process dies at that point.  Bodies, attributes and message groups are kept.

    :param limit: the maximum.  No more are moved than *source* has at the start, visible and in
        flight: what is moved may come back, as a dead letter does whose receiver still fails.
    :param progress: called with the number moved so far.
    :param wanted: returns whether a message is to be moved; None: all are.  The others are
        given back at the end, see :class:`~django_sqs_kombu.sifting.Sieve`.
    :param most: if only some are wanted, the maximum to look at for them.
    :param arriving: what arrives meanwhile counts as well, so only *limit* bounds it.
    :raises RequestFailed: SQS refused; what was not moved is visible in *source* again.
    """
    if source == target:
        raise ConfigurationError(f"Messages of queue {source!r} cannot be moved to the same queue")
    if not arriving:
        counts = requests.counts(source)
        # Some may be in flight only because somebody has just looked at them.
        limit = min(limit, counts.visible + counts.in_flight)
    moved = 0
    with _sifted(requests, source, wanted, limit, most) as found:
        for messages in found:
            moved += _move(requests, source, target, messages)
            if progress is not None:
                progress(moved)
    return moved


def _move(requests: Requests, source: str, target: str, messages: list[Message]) -> int:
    with _giving_back(requests, source, messages) as left:
        errors = send_list(requests, target, [_entry(m, target) for m in messages]).errors
        accepted = _done(messages, errors)
        if accepted:
            _delete(requests, source, accepted)
        left[:] = [m for m in messages if m not in accepted]
        _raise_first(errors)
    return len(accepted)


@contextmanager
def _giving_back(
    requests: Requests, queue: str, messages: list[Message]
) -> Iterator[list[Message]]:
    """A list of *messages*; what is in it at the end, or at an exception, is given back."""
    left = list(messages)
    try:
        yield left
    finally:
        if left:
            requests.release(queue, left)


def _done(messages: list[Message], errors: Sequence[Exception | None]) -> list[Message]:
    return [m for m, error in zip(messages, errors, strict=True) if error is None]


def _raise_first(errors: Sequence[Exception | None]) -> None:
    if failure := next((error for error in errors if error is not None), None):
        raise failure


def delete(
    requests: Requests,
    queue: str,
    *,
    wanted: Wanted,
    limit: int,
    most: int = MOST_SIFTED,
    deleted: Callable[[Message], None] | None = None,
) -> int:
    """Delete messages of a queue; return how many.  The others are given back.

    :param wanted: returns whether a message is to be deleted.
    :param limit: the maximum to delete.
    :param most: the maximum to look at.
    :param deleted: called with each message that SQS has deleted.
    :raises RequestFailed: SQS refused; what was not deleted is visible again.
    """
    count = 0
    with Sieve(requests, queue, wanted, limit=limit, most=most) as found:
        for messages in found:
            with _giving_back(requests, queue, messages) as left:
                errors = requests.delete_batch(queue, messages)
                gone = _done(messages, errors)
                count += len(gone)
                left[:] = [m for m in messages if m not in gone]
                if deleted is not None:
                    for message in gone:
                        deleted(message)
                _raise_first(errors)
    return count


def clear(
    requests: Requests, queue: str, deleted: Callable[[Message], None] | None = None
) -> Iterator[int]:
    """Receive and delete until a poll of one second returns nothing.

    Yields how many messages each request deleted.  What is in flight or delayed is not deleted.

    :param deleted: called with each message that SQS has deleted.
    :raises RequestFailed: SQS refused.
    """
    while messages := requests.receive(queue, MAX_MESSAGES, wait_time=1, visibility_timeout=30):
        results = requests.delete_batch(queue, messages)
        gone = [message for message, failure in zip(messages, results, strict=True) if not failure]
        if deleted is not None:
            for message in gone:
                deleted(message)
        yield len(gone)


def dead_letter_queue(requests: Requests, queue: str) -> str | None:
    """Return the name of *queue*'s dead-letter queue in SQS, if it has one.

    :raises QueueDoesNotExist: there is no such queue.
    """
    requests.existing_url(queue)
    # With a name that every queue has a value of, so that an answer without any is none.
    names = ["QueueArn", "RedrivePolicy"]
    answer = requests.call("GetQueueAttributes", queue, AttributeNames=names)
    policy = redrive_policy(answer["Attributes"].get("RedrivePolicy"))
    return None if policy is None else policy.dead_letter_name


def start_redrive(requests: Requests, dead_letters: str, target: str) -> str | None:
    """Have SQS move the messages of a dead-letter queue into *target*, if it is their only source.

    *target* is named as the destination: SQS does not know the source of letters that a policy
    has sent there, and a task without a destination ends at the first of these.

    :returns: SQS's handle of the task; None: this server cannot do it, or cannot do it for this
        queue alone, so :meth:`move` must.
    :raises RequestFailed: it can, and refused.
    """
    if not _is_only_source(requests, dead_letters, target):
        return None
    source, destination = (_arn(requests, each) for each in (dead_letters, target))
    try:
        started = requests.ask(
            "StartMessageMoveTask", dead_letters, SourceArn=source, DestinationArn=destination
        )
    except RequestFailed as exc:
        if exc.code in NO_MOVE_TASKS:
            return None
        raise
    return str(started["TaskHandle"])


def _is_only_source(requests: Requests, dead_letters: str, queue: str) -> bool:
    try:
        answer = requests.call("ListDeadLetterSourceQueues", dead_letters)
    except RequestFailed as exc:
        if exc.passing:
            raise
        # Nobody knows; a role may not be allowed to ask.
        return False
    urls = answer.get("queueUrls") or ()
    return {url.rpartition("/")[2] for url in urls} == {queue}


def _arn(requests: Requests, queue: str) -> str:
    answer = requests.call("GetQueueAttributes", queue, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def _delete(requests: Requests, queue: str, messages: list[Message]) -> None:
    """Delete messages that are in another queue now; try again what fails for a while."""
    for pause in (*DELETE_PAUSES, None):
        try:
            results = requests.delete_batch(queue, messages)
        except RequestFailed as exc:
            results = [exc] * len(messages)
        failed = [(m, why) for m, why in zip(messages, results, strict=True) if why is not None]
        messages = [message for message, why in failed if can_be_put_right(why)]
        if not messages or pause is None:
            break
        time.sleep(pause)
    for message, why in failed:
        logger.error(
            "Message %s was moved, but could not be deleted from queue %s, so it is in both: %s",
            message["MessageId"],
            queue,
            why,
        )


def text_attributes(message: Message) -> dict[str, str]:
    """The message attributes that are text or numbers, by name."""
    attributes: Mapping[str, Any] = message.get("MessageAttributes") or {}
    return {n: a["StringValue"] for n, a in attributes.items() if "StringValue" in a}


def sent_at(message: Message) -> float | None:
    """When it was sent, in seconds since the epoch."""
    stamp = (message.get("Attributes") or {}).get("SentTimestamp")
    return int(stamp) / 1000 if stamp else None


def _received(requests: Requests, queue: str, limit: int) -> Iterator[list[Message]]:
    requests.existing_url(queue)
    seen = 0
    while seen < limit:
        count = min(MAX_MESSAGES, limit - seen)
        messages = requests.receive(queue, count, wait_time=1, visibility_timeout=HOLD)
        if not messages:
            return
        seen += len(messages)
        yield messages


@contextmanager
def _sifted(
    requests: Requests, queue: str, wanted: Wanted | None, limit: int, most: int
) -> Iterator[Iterable[list[Message]]]:
    """Lists of the messages of a queue that are wanted."""
    if wanted is None:
        yield _received(requests, queue, limit)
        return
    with Sieve(requests, queue, wanted, limit=limit, most=most) as found:
        yield found


def _entry(message: Message, target: str) -> dict[str, Any]:
    entry = copy_of(message)
    if target.endswith(FIFO):
        entry.setdefault("MessageGroupId", DEFAULT_GROUP)
        # Its own, so that SQS drops it should a first try have been accepted.
        entry["MessageDeduplicationId"] = message["MessageId"]
    return entry
