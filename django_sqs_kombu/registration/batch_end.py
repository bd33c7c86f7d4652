"""The end of a batch: sending what it kept, and telling what became of each message."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import kombu

from ..exceptions import (
    BatchDropped,
    BatchFailed,
    BatchFailure,
    BatchInterrupted,
    RequestFailed,
    SendManyFailed,
    SQSError,
)
from ..logs import get_logger
from ..working.middleware import guarded
from ..working.registered import Registered
from .outgoing import Outgoing

logger = get_logger(__name__)

#: Hears what became of entries: the tag of each, and why it was not sent; None: SQS has it.
Follower = Callable[[Sequence[tuple[Any, SQSError | None]]], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that waits for the end of its block.

    :param follower: hears what became of it, if anybody does.
    :param tag: what the follower knows it by.
    """

    registered: Registered
    queue: kombu.Queue
    outgoing: Outgoing
    follower: Follower | None = None
    tag: Any = None


class BatchSender(Protocol):
    """The registry whose sends a batch keeps."""

    @property
    def outlet(self) -> Callable[[Any, kombu.Queue, Outgoing], None] | None:
        """What takes messages in place of SQS, in tests."""

    def send_bulk(
        self,
        registered: Any,
        queue: kombu.Queue,
        items: Any,
        encode: Callable[[Any], Outgoing],
        **options: Any,
    ) -> int:
        """Send many messages."""

    def check_unsent(self, registered: Any, queue: kombu.Queue, outgoing: Outgoing) -> None:
        """Raise what sending would raise, as far as it lies in the message."""


def errors_of(exc: SQSError, count: int) -> list[SQSError | None]:
    """Why each of *count* messages was not sent, of whose sending came *exc*; None: it was."""
    if not isinstance(exc, SendManyFailed):
        return [exc] * count
    errors: list[SQSError | None] = [None] * count
    for failure in exc.failures:
        errors[failure.number] = failure.error
    if exc.untried_from is not None:
        why = exc.failures[-1].error if exc.failures else exc
        if isinstance(why, RequestFailed):
            why = why.copy()
            why.untried, why.in_doubt = True, False
        errors[exc.untried_from :] = [why] * (count - exc.untried_from)
    return errors


class BatchEnd:
    """What a block kept, on its way to SQS; it knows of each message what became of it.

    :param entries: what is to be sent.
    :param dropped: what is not, since an exception has left the block.
    """

    def __init__(
        self, receivers: BatchSender, entries: Sequence[Entry], dropped: Sequence[Entry]
    ) -> None:
        self._receivers = receivers
        self._entries = entries
        self._dropped = dropped
        #: Why each entry was not sent, as far as is known by now: sending may be struck.
        self._errors: list[SQSError | None] = [
            BatchDropped("It was not sent: the end of its batch() was interrupted") for _ in entries
        ]

    @property
    def sends(self) -> bool:
        """Whether there is something to send."""
        return bool(self._entries)

    @property
    def drops(self) -> bool:
        """Whether something is dropped."""
        return bool(self._dropped)

    def tell_dropped(self) -> None:
        """Tell what is not sent."""
        why = "It was not sent: its batch() ended with an exception"
        _tell([(entry, BatchDropped(why)) for entry in self._dropped])

    def send(self) -> None:
        """Send, and note what became of each message; to be called outside of every block."""
        if (outlet := self._receivers.outlet) is not None:
            for number, entry in enumerate(self._entries):
                self._begin([number])
                outlet(entry.registered, entry.queue, entry.outgoing)
                self._errors[number] = None
            return
        by_queue: dict[str, list[int]] = {}
        for number, entry in enumerate(self._entries):
            by_queue.setdefault(entry.queue.name, []).append(number)
        for numbers in by_queue.values():
            self._begin(numbers)
            of_queue = [self._entries[number] for number in numbers]
            for number, error in zip(numbers, self._send_some(of_queue), strict=True):
                self._errors[number] = error

    def _begin(self, numbers: list[int]) -> None:
        for number in numbers:
            self._errors[number] = BatchInterrupted(
                "It is not known whether it was sent: the end of its batch() was interrupted"
            )

    def _send_some(self, entries: list[Entry]) -> list[SQSError | None]:
        """Send *entries*, which are of one queue; its trouble is no other's."""
        first = entries[0]
        try:
            self._receivers.send_bulk(
                first.registered, first.queue, entries, lambda entry: entry.outgoing
            )
        except SQSError as exc:
            return errors_of(exc, len(entries))
        return [None] * len(entries)

    def tell(self) -> None:
        """Tell what became of what was to be sent."""
        _tell(list(zip(self._entries, self._errors, strict=True)))

    def failed(self) -> BatchFailed | None:
        """What names the messages that were not accepted, if there are any."""
        failures = [
            BatchFailure(number, entry.outgoing.body, error, entry.queue.name)
            for number, (entry, error) in enumerate(zip(self._entries, self._errors, strict=True))
            if error is not None
        ]
        return BatchFailed(len(self._entries) - len(failures), failures) if failures else None

    def report(self, raised: BaseException | None) -> None:
        """Raise what names the messages that were not accepted, or log it.

        :param raised: what is raised in any case: whoever waits for that is to get it.
        """
        if (failed := self.failed()) is None:
            return
        if raised is None:
            raise failed
        logger.error("Not raised, because %r is raised instead: %s", raised, failed)


class Step:
    """A call that is made once, by the thread that comes to it first; others wait for its end."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._begun = False
        self._error: BaseException | None = None

    def __call__(self) -> None:
        """Make the call, unless somebody has; raise what it raised."""
        with self._lock:
            if not self._begun:
                self._begun = True
                try:
                    self._call()
                except BaseException as exc:
                    self._error = exc
                    raise
            elif self._error is not None:
                raise self._error


def do_all(steps: Sequence[Step], known: BaseException) -> None:
    """Do what is left of *steps*, each whatever became of the others.

    :param known: what is raised elsewhere; all else is logged.
    """
    for step in steps:
        try:
            step()
        except BaseException as exc:
            if exc is not known:
                logger.exception("A step of the end of a batch() failed")


def _tell(ends: Sequence[tuple[Entry, SQSError | None]]) -> None:
    heard: dict[Follower, list[tuple[Any, SQSError | None]]] = {}
    for entry, error in ends:
        if entry.follower is not None:
            heard.setdefault(entry.follower, []).append((entry.tag, error))
    struck: BaseException | None = None
    for follower, some in heard.items():
        try:
            guarded(follower, partial(follower, some))
        except BaseException as exc:  # noqa: BLE001 - raised when the others have heard
            struck = exc
    if struck is not None:
        raise struck
