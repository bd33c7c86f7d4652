"""Batch: a block whose sends are made together when it ends, ten to a request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeVar

import kombu

from ..exceptions import (
    BatchDropped,
    BatchFailed,
    BatchFailure,
    SendFailure,
    SendManyFailed,
    SQSError,
)
from ..logs import get_logger
from ..working.middleware import guarded
from ..working.registered import Registered
from .outgoing import Outgoing

logger = get_logger(__name__)

T = TypeVar("T")

#: Hears what became of entries: the tag of each, and why it was not sent; None: SQS has it.
Follower = Callable[[Sequence[tuple[Any, "SQSError | None"]]], None]


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


#: The innermost block of this context.
_open: ContextVar[Batch | None] = ContextVar("open_batch", default=None)


class Batch:
    """A block, ``with batch():`` or ``async with batch():``, whose sends are made at its end.

    A message is checked where it is sent.  When the block ends, what was sent in it goes to SQS,
    ten messages to a request, those of each FIFO group in order; then the block's exit returns,
    or raises :class:`BatchFailed`.  A delay counts from the end.

    An exception that leaves the block drops what was sent in it.  A block within another hands
    its messages on to that one, unless an exception leaves it.  Threads and tasks that got the
    block's context send in it, too; once it has ended, what they send goes at once.

    :param receivers: the registry whose sends are kept.
    :param outer: the block that this one's messages go to; by default the one that it is in.
    :param decided: whether what is sent in it goes even if an exception leaves a block.
    """

    def __init__(
        self, receivers: BatchSender, *, outer: Batch | None = None, decided: bool = False
    ) -> None:
        self.receivers = receivers
        self._outer = outer
        self._decided = decided
        #: What was open before in this context; put back at the end.
        self._before: Batch | None = None
        self._lock = threading.Lock()
        #: What waits, and what goes even after an exception; written under the lock.
        self._entries: list[tuple[Entry, bool]] = []
        self._is_open = True
        self._entered = False

    # Within the block.

    @property
    def root(self) -> Batch:
        """The outermost block that messages of this one come to and that is open still."""
        outer = self._outer
        return self if outer is None or not outer._is_open else outer.root

    @property
    def is_open(self) -> bool:
        """Whether it takes messages."""
        return self._is_open

    def add(
        self,
        registered: Registered,
        queue: kombu.Queue,
        outgoing: Outgoing,
        *,
        follower: Follower | None = None,
        tag: Any = None,
    ) -> bool:
        """Keep a message until the end; return whether it is kept: the block may have ended.

        :param follower: hears in the end what became of it.
        :param tag: what the follower knows it by.
        :raises MessageEncodeError: SQS would refuse it.
        """
        if self.receivers.outlet is None:
            self.receivers.check_unsent(registered, queue, outgoing)
        return self._take([(Entry(registered, queue, outgoing, follower, tag), self._decided)])

    def add_many(
        self,
        registered: Registered,
        queue: kombu.Queue,
        items: Iterable[Any],
        encode: Callable[[Any], Outgoing],
    ) -> int:
        """Keep what *encode* makes of *items* until the end; return how many.

        :raises SendManyFailed: SQS would refuse some; the others are kept.
        """
        kept: list[Outgoing] = []
        failures: list[SendFailure] = []
        for number, item in enumerate(items):
            try:
                outgoing = encode(item)
                if self.receivers.outlet is None:
                    self.receivers.check_unsent(registered, queue, outgoing)
            except SQSError as exc:
                failures.append(SendFailure(number, item, exc))
            else:
                kept.append(outgoing)
        if not self._take([(Entry(registered, queue, each), self._decided) for each in kept]):
            # It has ended meanwhile, in another thread.
            with outside():
                self.receivers.send_bulk(registered, queue, kept, lambda outgoing: outgoing)
        if failures:
            raise SendManyFailed(queue.name, len(kept), failures, None)
        return len(kept)

    def _take(self, entries: list[tuple[Entry, bool]]) -> bool:
        with self._lock:
            if self._is_open:
                self._entries += entries
            return self._is_open

    # The block.

    def __enter__(self) -> Batch:
        if self._entered:
            raise RuntimeError("A block is entered once: call batch() for each")
        self._entered = True
        self._before = _open.get()
        if self._outer is None:
            self._outer = open_batch(self.receivers)
        _open.set(self)
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        self.ending()
        going, dropped = self._close(raised=exc is not None)
        self._tell(dropped)
        if going:
            self._finish(self._send(going), going, exc)

    async def __aenter__(self) -> Batch:
        return self.__enter__()

    async def __aexit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        await self.beside(self.ending)
        going, dropped = self._close(raised=exc is not None)
        if dropped:
            await self.beside(self._tell, dropped)
        if going:
            errors = await self.in_thread(self._send, going)
            await self.beside(self._finish, errors, going, exc)

    def _leave(self) -> None:
        # No token: it could be put back only in the very context where it was made.
        _open.set(self._before)

    def ending(self) -> None:
        """Called when the block has ended and takes messages still; does nothing."""

    async def in_thread(self, call: Callable[..., T], *args: Any) -> T:
        """Call what asks SQS, from an event loop."""
        return await asyncio.to_thread(call, *args)

    async def beside(self, call: Callable[..., T], *args: Any) -> T:
        """Call what asks no SQS, from an event loop."""
        return call(*args)

    def _close(self, *, raised: bool) -> tuple[list[Entry], list[tuple[Entry, SQSError | None]]]:
        """Take no more; return what is to be sent now, and what is not to be sent at all."""
        with self._lock:
            self._is_open = False
            entries, self._entries = self._entries, []
        kept = [(entry, decided) for entry, decided in entries if decided or not raised]
        dropped: list[tuple[Entry, SQSError | None]] = [
            (entry, BatchDropped()) for entry, decided in entries if raised and not decided
        ]
        outer = self._outer
        if not kept or (outer is not None and outer._take(kept)):
            return [], dropped
        return [entry for entry, _ in kept], dropped

    # Sending.

    def send_kept(self) -> None:
        """Close it, which is not used as a block, and send what it keeps.

        :raises BatchFailed: some were not accepted.
        """
        going, _ = self._close(raised=False)
        if going:
            self._finish(self._send(going), going, None)

    def _send(self, entries: list[Entry]) -> list[SQSError | None]:
        """Send *entries*; return why each was not accepted."""
        errors: list[SQSError | None] = [None] * len(entries)
        with outside():
            if (outlet := self.receivers.outlet) is not None:
                for entry in entries:
                    outlet(entry.registered, entry.queue, entry.outgoing)
                return errors
            by_queue: dict[str, list[int]] = {}
            for number, entry in enumerate(entries):
                by_queue.setdefault(entry.queue.name, []).append(number)
            for numbers in by_queue.values():
                of_queue = [entries[number] for number in numbers]
                for number, error in zip(numbers, self._send_some(of_queue), strict=True):
                    errors[number] = error
        return errors

    def _send_some(self, entries: list[Entry]) -> list[SQSError | None]:
        """Send *entries*, which are of one queue; its trouble is no other's."""
        errors: list[SQSError | None] = [None] * len(entries)
        first = entries[0]
        try:
            self.receivers.send_bulk(first.registered, first.queue, entries, _outgoing)
        except SendManyFailed as exc:
            for failure in exc.failures:
                errors[failure.number] = failure.error
            if exc.untried_from is not None:
                rest = len(entries) - exc.untried_from
                errors[exc.untried_from :] = [
                    exc.failures[-1].error if exc.failures else exc
                ] * rest
        except SQSError as exc:
            errors = [exc] * len(entries)
        return errors

    def _finish(
        self,
        errors: list[SQSError | None],
        entries: list[Entry],
        raised: BaseException | None,
    ) -> None:
        """Tell what became of *entries*, and raise what SQS did not accept."""
        self._tell(list(zip(entries, errors, strict=True)))
        failures = [
            BatchFailure(number, entry.outgoing.body, error, entry.queue.name)
            for number, (entry, error) in enumerate(zip(entries, errors, strict=True))
            if error is not None
        ]
        if not failures:
            return
        failed = BatchFailed(len(entries) - len(failures), failures)
        if raised is None:
            raise failed
        # Whoever waits for what the block raised is to get that.
        logger.error("What was decided before the block of a batch() failed: %s", failed)

    def _tell(self, ends: list[tuple[Entry, SQSError | None]]) -> None:
        heard: dict[Follower, list[tuple[Any, SQSError | None]]] = {}
        for entry, error in ends:
            if entry.follower is not None:
                heard.setdefault(entry.follower, []).append((entry.tag, error))
        for follower, some in heard.items():
            guarded(follower, partial(follower, some))


def open_batch(receivers: object) -> Batch | None:
    """The innermost block of this context that keeps what is sent by *receivers*."""
    batch = _open.get()
    while batch is not None and not (batch.receivers is receivers and batch.is_open):
        batch = batch._before
    return batch


@contextmanager
def outside() -> Iterator[None]:
    """A context in which no block is open."""
    before = _open.get()
    _open.set(None)
    try:
        yield
    finally:
        _open.set(before)


def _outgoing(entry: Entry) -> Outgoing:
    return entry.outgoing
