"""Dispatch: sends a list, and says what became of each entry.

An entry is the parameters of SendMessage, without the queue's URL.  Accepted is what SQS has
confirmed; everything else has its error.  Blame is not shared: a request that SQS refuses for
its content is sent again entry by entry, so that one bad entry harms none of its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import HTTPClientError

from ...exceptions import (
    EnvironmentFailure,
    MessageEncodeError,
    PayloadNotWritten,
    RequestFailed,
    SQSError,
    TimedOut,
)
from ...names import FIFO
from ...quotas import MAX_MESSAGE_BYTES, MAX_MESSAGES, size_of

if TYPE_CHECKING:
    from ..sqs.requests import Requests

Entry = dict[str, Any]

#: Codes of failures that lie in what is sent, not in who sends it or where.
_CONTENT = frozenset(
    {
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "BatchRequestTooLong",
        "InvalidAttributeValue",
        "InvalidMessageContents",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "MissingParameter",
        # botocore's, before the request.
        "ParamValidationError",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)


@dataclass(slots=True)
class Dispatched:
    """What became of a list that was sent.

    :param errors: for each entry None where SQS has accepted it, else why not.
    :param untried: the numbers of those that were not sent at all.
    :param stopped: whether a request failed as a whole for a reason that is not in its
        content, so that the next would fail alike.
    """

    errors: list[RequestFailed | None]
    untried: set[int] = field(default_factory=set)
    stopped: bool = False

    @property
    def failed(self) -> list[int]:
        """The numbers of those that SQS did not accept."""
        return [number for number, error in enumerate(self.errors) if error is not None]


def refused_for_content(failure: RequestFailed) -> bool:
    """Whether SQS refused what was sent, and will whoever sends it whenever."""
    return failure.code in _CONTENT


def next_batch(entries: Iterable[Mapping[str, Any]], fifo: bool) -> list[int]:
    """The numbers of the first *entries* that go into one request.

    :param fifo: take one of each message group.  SQS takes or refuses each entry of a request
        by itself, so a later one of the group could overtake one that failed.
    """
    batch: list[int] = []
    groups: set[str] = set()
    total = 0
    for number, entry in enumerate(entries):
        if fifo and group_of(entry) in groups:
            continue
        total += size_of(entry)
        if batch and total > MAX_MESSAGE_BYTES:
            break
        batch.append(number)
        groups.add(group_of(entry))
        if len(batch) == MAX_MESSAGES:
            break
    return batch


def group_of(entry: Mapping[str, Any]) -> str:
    """The message group of *entry*; empty where it has none."""
    return str(entry.get("MessageGroupId") or "")


def send_batch(requests: Requests, queue: str, batch: Sequence[Entry]) -> Dispatched:
    """Send what fits into one request, as :func:`next_batch` chooses it."""
    errors, failure = _ask(requests, queue, batch)
    return Dispatched(errors) if failure is None else fate_of(requests, queue, batch, failure)


def fate_of(
    requests: Requests, queue: str, batch: Sequence[Entry], failure: RequestFailed
) -> Dispatched:
    """What becomes of *batch*, whose request has failed as a whole.

    Where SQS refused it for its content, it is sent entry by entry.
    """
    if not refused_for_content(failure):
        return Dispatched([failure.copy() for _ in batch], stopped=True)
    if len(batch) == 1:
        return Dispatched([failure])
    result = _send_singly(requests, queue, batch)
    for error in filter(None, result.errors):
        # All were in the request whose earlier tries may have been done.
        error.in_doubt |= failure.in_doubt
    return result


def send_list(
    requests: Requests,
    queue: str,
    entries: Sequence[Entry],
    failed_groups: dict[str, RequestFailed] | None = None,
) -> Dispatched:
    """Send *entries*, in as many requests as they need.

    In a FIFO queue nothing overtakes an entry of its group that failed: the rest of the group
    fails with it, unsent.

    :param failed_groups: groups with an earlier failure, for lists that are sent one after
        another; those of this list are added.
    """
    fifo = queue.endswith(FIFO)
    groups = {} if failed_groups is None else failed_groups
    result = Dispatched([None] * len(entries))
    left = _unblocked(entries, range(len(entries)), groups, result)
    while left:
        batch = [left[place] for place in next_batch([entries[n] for n in left], fifo)]
        sent = send_batch(requests, queue, [entries[number] for number in batch])
        taken = set(batch)
        left = [number for number in left if number not in taken]
        for place, error in enumerate(sent.errors):
            number = batch[place]
            result.errors[number] = error
            if place in sent.untried:
                result.untried.add(number)
            if fifo and error is not None:
                groups.setdefault(group_of(entries[number]), error)
        if sent.stopped:
            failure = next(error for error in reversed(sent.errors) if error is not None)
            _leave_untried(result, left, failure)
            result.stopped = True
            break
        if groups:
            left = _unblocked(entries, left, groups, result)
    return result


def _unblocked(
    entries: Sequence[Entry],
    numbers: Sequence[int],
    groups: Mapping[str, RequestFailed],
    result: Dispatched,
) -> list[int]:
    """Those of *numbers* whose groups have not failed; the others fail with their groups."""
    for number in numbers if groups else ():
        failure = groups.get(group_of(entries[number]))
        if failure is not None:
            result.errors[number] = _held_back(failure, group_of(entries[number]))
            result.untried.add(number)
    return [number for number in numbers if number not in result.untried]


def overtaking(failure: SQSError, group: str) -> SQSError:
    """Why a message was not sent: an earlier one of its *group* had failed with *failure*."""
    if isinstance(failure, RequestFailed):
        return _held_back(failure, group)
    # Its payload could not be written, or it is none that SQS takes.
    kind = PayloadNotWritten if isinstance(failure, EnvironmentFailure) else MessageEncodeError
    held_back = kind(_why(failure, group))
    held_back.__cause__ = failure
    return held_back


def _held_back(failure: RequestFailed, group: str) -> RequestFailed:
    held_back = type(failure)(
        _why(failure, group),
        operation=failure.operation,
        queue=failure.queue,
        code=failure.code,
        passing=failure.passing,
    )
    held_back.__cause__ = failure
    held_back.untried = True
    return held_back


def _why(failure: SQSError, group: str) -> str:
    return (
        f"It was not sent, because an earlier message of its group {group!r} was not accepted: "
        f"{failure}"
    )


def _leave_untried(result: Dispatched, numbers: Sequence[int], failure: RequestFailed) -> None:
    for number in numbers:
        result.errors[number] = untried = failure.copy()
        untried.untried, untried.in_doubt = True, False
        result.untried.add(number)


def _send_singly(requests: Requests, queue: str, batch: Sequence[Entry]) -> Dispatched:
    result = Dispatched([None] * len(batch))
    for number, entry in enumerate(batch):
        _, failure = _ask(requests, queue, [entry])
        result.errors[number] = failure
        if failure is not None and not refused_for_content(failure):
            _leave_untried(result, range(number + 1, len(batch)), failure)
            result.stopped = True
            break
    return result


def _ask(
    requests: Requests, queue: str, batch: Sequence[Entry]
) -> tuple[list[RequestFailed | None], RequestFailed | None]:
    """One request: what became of each entry, and why the request failed as a whole."""
    try:
        errors = requests.send_batch(queue, batch)
    except RequestFailed as exc:
        if (interruption := _interruption(exc)) is not None:
            raise interruption from exc
        return [exc] * len(batch), exc
    return errors, errors[0] if len(batch) == 1 else None


def _interruption(failure: RequestFailed) -> TimedOut | None:
    """The receiver's timeout that botocore took for a fault of the network."""
    cause = failure.__cause__
    if isinstance(cause, HTTPClientError):
        error = cause.kwargs.get("error")
        if isinstance(error, TimedOut):
            return error
    return None
