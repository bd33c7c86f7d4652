"""Sending: several messages of which some were not accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .base import SQSError


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A message of send_many that was not accepted.

    :param number: its place among the items, from 0.
    :param item: the item as it was given.
    :param error: why.
    """

    number: int
    item: Any
    error: SQSError


class SendManyFailed(SQSError):
    """Some messages of send_many were not accepted; all others were, once.

    If the iterable of items raised, that exception is its ``__cause__``.

    :ivar sent: how many were accepted.
    :ivar failures: a :class:`SendFailure` for each of the others that were tried.
    :ivar untried_from: if a whole request failed or the items could not be read further, the
        number of the first item that was not tried; otherwise None.
    """

    def __init__(
        self,
        queue: str,
        sent: int,
        failures: Sequence[SendFailure],
        untried_from: int | None,
        reason: Exception | None = None,
    ) -> None:
        text = f"Messages for queue {queue!r}: {len(failures)} not accepted, {sent} accepted."
        if failures:
            text += f" The first refused is item {failures[0].number}: {failures[0].error}"
        if untried_from is not None:
            text += f" Items from {untried_from} on were not tried."
        if reason is not None:
            text += f" It was interrupted by {reason!r}."
        super().__init__(text)
        self.queue = queue
        self.sent = sent
        self.failures = list(failures)
        self.untried_from = untried_from


@dataclass(frozen=True, slots=True)
class BatchFailure(SendFailure):
    """A message of a ``batch()`` that was not accepted; its item is its text.

    :param queue: the name of its queue in SQS.
    """

    queue: str


class BatchFailed(SQSError):
    """Some messages of a ``batch()`` were not accepted at its end; all others were, once.

    :ivar sent: how many were accepted.
    :ivar failures: a :class:`BatchFailure` for each of the others.
    """

    def __init__(self, sent: int, failures: Sequence[BatchFailure]) -> None:
        queues = ", ".join(dict.fromkeys(failure.queue for failure in failures))
        super().__init__(
            f"Messages of a batch(): {len(failures)} not accepted (queues: {queues}), {sent} "
            f"accepted. The first refused is message {failures[0].number}: {failures[0].error}"
        )
        self.sent = sent
        self.failures = list(failures)


class BatchDropped(SQSError):
    """A message was not sent, because its ``batch()`` ended with an exception."""


class BatchInterrupted(SQSError):
    """The end of a ``batch()`` was interrupted while it sent a message: SQS may have it."""
