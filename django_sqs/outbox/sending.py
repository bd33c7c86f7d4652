"""Sending: the rows of a claim to SQS, and what became of each. No database is asked here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import kombu

from django_sqs_kombu.exceptions import (
    ConfigurationError,
    EnvironmentFailure,
    RequestFailed,
    SQSError,
)
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.printable import line, text_of
from django_sqs_kombu.quotas import MAX_MESSAGES
from django_sqs_kombu.registration import Outgoing, RegisteredQueue
from django_sqs_kombu.transport import refused_for_content, send_list
from django_sqs_kombu.working import Sending, around_sending

from ..clocks import seconds_since
from ..registry import receivers
from .claims import Claim
from .models import OutboxMessage

logger = get_logger(__name__)


@dataclass(slots=True)
class Failure:
    """Why a row was not accepted.

    :param passes: the reason is not in the row: it is tried again, however often.
    :param final: it can never be sent as it is.
    """

    row: OutboxMessage
    error: Exception
    passes: bool = False
    final: bool = False


@dataclass(slots=True)
class Report:
    """What became of a claim's rows; those that are not in it were not tried.

    :param sent: SQS has accepted them.
    :param failures: those that were tried and not accepted.
    :param stopped: why nothing can be sent to the queue now, if so.
    :param untried: whether there are some that were not tried.
    """

    sent: list[OutboxMessage] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: Exception | None = None
    untried: bool = True


def send(claim: Claim, goes_on: Callable[[], bool] = lambda: True) -> Report:
    """Send the rows of *claim*, a few at a time, as long as its lease allows.

    :param goes_on: whether to begin another request.
    """
    report = Report()
    try:
        registered = receivers.get(claim.queue.queue_name)
        sending = Sending(registered, registered.full_name(claim.queue.suffix or None), 0)
        with around_sending(receivers.middleware, sending):
            ClaimSending(claim, registered, sending, report).run(goes_on)
            if report.stopped is not None and not report.sent:
                # The middleware hear of it; each row is told its own below.
                raise report.stopped
    except Exception as exc:  # noqa: BLE001 - one queue's trouble is no other's
        report.stopped = exc
    report.untried = len(report.sent) + len(report.failures) < len(claim.rows)
    return report


class ClaimSending:
    """Sends the rows of one claim.

    :param sending: what middleware are told; its count grows with what SQS accepts.
    :param report: what becomes of the rows is added to it.
    """

    def __init__(
        self, claim: Claim, registered: RegisteredQueue, sending: Sending, report: Report
    ) -> None:
        self._claim = claim
        self._registered = registered
        self._sending = sending
        self._report = report
        self._fifo = claim.queue.is_fifo
        #: Groups of a FIFO queue of which nothing more is sent now.
        self._blocked: set[str] = set()

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Send until all were tried, nothing can be sent any more, or the time is over."""
        left = list(self._claim.rows)
        while left and self._report.stopped is None:
            if self._is_over or not goes_on():
                break
            some = self._next(left)
            taken = {row.pk for row in some}
            left = [row for row in left if row.pk not in taken]
            self._send_some(some)

    @property
    def _is_over(self) -> bool:
        """Whether no request may begin any more."""
        return time.monotonic() > self._claim.send_until

    def _next(self, left: list[OutboxMessage]) -> list[OutboxMessage]:
        """What goes into one request: of a FIFO queue one row of each group."""
        if not self._fifo:
            return left[:MAX_MESSAGES]
        oldest: dict[str, OutboxMessage] = {}
        for row in left:
            oldest.setdefault(row.group_id, row)
        return list(oldest.values())[:MAX_MESSAGES]

    def _send_some(self, rows: list[OutboxMessage]) -> None:
        queue = self._registered.get_queue(self._claim.queue.suffix or None)
        if receivers.outlet is not None:
            self._hand_over(rows, queue)
            return
        channel = receivers.channel()
        channel.declare_lazily(queue)
        entries = []
        for row in rows:
            # Its payload may take long, and the others' may have.
            if self._is_over:
                break
            # What follows in a group must not overtake what failed before.
            if row.group_id not in self._blocked:
                try:
                    entries.append((row, self._entry(channel, queue.name, row)))
                except Exception as exc:  # noqa: BLE001 - one row's trouble is no other's
                    self._failed(row, exc)
        if not entries:
            return
        try:
            result = send_list(channel.requests, queue.name, [entry for _, entry in entries])
        except SQSError:
            raise
        except Exception as exc:
            # Nothing that is known of: one of them may be the reason, and only that is to blame.
            logger.exception("Rows of the outbox for %s could not be sent", queue.name)
            if len(rows) == 1:
                self._failed(rows[0], exc)
            else:
                for row, _ in entries:
                    if not self._is_over:
                        self._send_some([row])
            return
        for number, (row, _) in enumerate(entries):
            error = result.errors[number]
            if error is None:
                self._report.sent.append(row)
            elif result.stopped:
                self._report.stopped = error
            elif number not in result.untried:
                self._failed(row, error)
        self._sending.count = len(self._report.sent)

    def _hand_over(self, rows: list[OutboxMessage], queue: kombu.Queue) -> None:
        """Give *rows* to what takes messages in place of SQS, in a test."""
        for row in rows:
            receivers.send_one(self._registered, queue, outgoing(row))
            self._report.sent.append(row)

    def _failed(self, row: OutboxMessage, error: Exception) -> None:
        failure = Failure(row, error, passes=_passes(error), final=_is_final(error))
        self._report.failures.append(failure)
        if self._fifo:
            self._blocked.add(row.group_id)

    def _entry(self, channel: Any, name: str, row: OutboxMessage) -> dict[str, Any]:
        message = outgoing(row).with_attributes(self._sending.attributes)
        entry: dict[str, Any] = channel.entry(
            name, message.body, message.content_type, message.properties()
        )
        return entry


def outgoing(row: OutboxMessage) -> Outgoing:
    """The message of *row*, as it is to be sent now.

    :raises MessageEncodeError: SQS would not take it.
    """
    fifo = row.queue_name.endswith(FIFO)
    delay = None
    if row.due_at is not None and not fifo:
        # Written by a clock that was ahead, it is no longer than it was then.
        length = (row.due_at - row.created_at).total_seconds()
        delay = max(0.0, length - seconds_since(row.created_at))
    return Outgoing(
        row.text,
        row.content_type,
        delay,
        row.group_id or None,
        (row.deduplication_id or str(row.uid)) if fifo else None,
        row.attributes,
        str(row.uid),
        row.expires,
        row.ticket,
        frees=row.frees or None,
    )


def reason(error: Exception) -> str:
    """*error* as a row and the log tell it."""
    if isinstance(error, SQSError):
        return str(error)
    return f"{type(error).__name__}: {line(text_of(error))}"


def _passes(error: Exception) -> bool:
    if isinstance(error, RequestFailed):
        return error.passing
    # S3, which payloads go to, or a thing of this process.
    return isinstance(error, EnvironmentFailure | OSError)


def _is_final(error: Exception) -> bool:
    if isinstance(error, RequestFailed):
        return refused_for_content(error)
    # What our own checks refuse today they refuse tomorrow; a setting can be changed.
    return isinstance(error, SQSError) and not isinstance(
        error, EnvironmentFailure | ConfigurationError
    )
