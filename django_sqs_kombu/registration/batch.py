"""Batch: a block whose sends are made together when it ends, ten to a request."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import kombu

from ..logs import get_logger
from ..new_threads import start_thread
from ..working.registered import Registered
from .batch_end import BatchEnd, BatchSender, Entry, Follower, Step, do_all
from .outgoing import Outgoing
from .several import Several

logger = get_logger(__name__)

T = TypeVar("T")

#: The innermost block of this context.
_open: ContextVar[Batch | None] = ContextVar("open_batch", default=None)


class Batch:
    """A block, ``with batch():`` or ``async with batch():``, whose sends are made at its end.

    A message is checked when it is sent.  When the block ends, its messages go to SQS,
    ten to a request, those of each FIFO group in order; then the block's exit returns,
    or raises :class:`BatchFailed`.  A delay counts from the end.

    If the block ends with an exception, its messages are dropped.  A block inside another passes
    its messages on to that one, unless it ends with an exception.  Threads and tasks that have the
    block's context also send in it; messages that they send after its end go at once, and so do
    those of a process that is forked in the block, since the block is its parent's.

    An interruption of the block's end (a cancellation, a receiver's timeout, Ctrl-C) ends it as an
    exception inside it does, or leaves the messages being sent to a thread that finishes them.

    :param receivers: the registry whose sends are kept.
    :param outer: the block that gets this one's messages; default: the one around it.
    :param decided: whether its messages are sent even if a block ends with an exception.
    """

    def __init__(
        self, receivers: BatchSender, *, outer: Batch | None = None, decided: bool = False
    ) -> None:
        self.receivers = receivers
        self._outer = outer
        self._decided = decided
        #: What was open before in this context; put back at the end.
        self._before: Batch | None = None
        # A signal's handler may send while its thread keeps a message.
        self._lock = threading.RLock()
        #: What waits, and what goes even after an exception; written under the lock.
        self._entries: list[tuple[Entry, bool]] = []
        self._is_open = True
        self._entered = False
        #: The process that it belongs to: a fork has a copy of what is its parent's to send.
        self._process = os.getpid()

    # Within the block.

    @property
    def root(self) -> Batch:
        """The outermost block that messages of this one come to and that is open still."""
        outer = self._outer
        return self if outer is None or not outer.is_open else outer.root

    @property
    def is_open(self) -> bool:
        """Whether it takes messages."""
        return self._is_open and self._is_ours

    @property
    def _is_ours(self) -> bool:
        return self._process == os.getpid()

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
        several = Several.of(self.receivers, registered, queue, items, encode)
        entries = [(Entry(registered, queue, each), self._decided) for _, _, each in several.kept]
        if not self._take(entries):
            # It has ended meanwhile, in another thread.
            with outside():
                return several.send_late()
        return several.count()

    def _take(self, entries: list[tuple[Entry, bool]]) -> bool:
        # Before the lock: a fork may have copied it while another thread held it.
        if not self._is_ours:
            return False
        with self._lock:
            if self._is_open:
                self._entries.extend(entries)
            return self._is_open

    # The block.

    def __enter__(self) -> Batch:
        if self._entered:
            raise RuntimeError("A batch() can be entered only once: call batch() for each block")
        self._entered = True
        self._process = os.getpid()
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
        try:
            self._end_taking()
        except BaseException as struck:
            self._end(struck)
            raise
        self._end(exc)

    async def __aenter__(self) -> Batch:
        return self.__enter__()

    async def __aexit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        ending = Step(self._end_taking)
        try:
            await _apart(self.beside(ending))
        except BaseException as struck:
            end = self._close(raised=True)
            await self._go_on([ending, *self._steps(end)], end, struck)
            raise
        end = self._close(raised=exc is not None)
        tell_dropped, send, tell = steps = self._steps(end)
        try:
            if end.drops:
                await _apart(self.beside(tell_dropped))
            if end.sends:
                await _apart(self.in_thread(send))
                await _apart(self.beside(tell))
        except BaseException as struck:
            await self._go_on(steps, end, struck)
            raise
        end.report(exc)

    def _steps(self, end: BatchEnd) -> tuple[Step, Step, Step]:
        return Step(end.tell_dropped), Step(partial(_outside, end.send)), Step(end.tell)

    async def _go_on(self, steps: Sequence[Step], end: BatchEnd, struck: BaseException) -> None:
        """Do what is left of *steps* although their coroutine is ended by *struck*."""
        rest = partial(do_all, [*steps, Step(partial(end.report, struck))], struck)
        if isinstance(struck, Exception):
            await _apart(self.beside(rest))
            return
        # A task that is cancelled is to end soon, and its loop perhaps with it.
        try:
            start_thread(self.new_thread(rest))
        except RuntimeError as exc:
            logger.warning(
                "The end of a batch() blocks its event loop, because no thread could be started: "
                "%s",
                exc,
            )
            rest()

    def _leave(self) -> None:
        # No token: it could be put back only in the very context where it was made.
        _open.set(self._before)

    def _end_taking(self) -> None:
        if self._is_ours:
            self.ending()

    def ending(self) -> None:
        """Called when the block has ended and takes messages still; does nothing."""

    async def in_thread(self, call: Callable[..., T], *args: Any) -> T:
        """Call what asks SQS, from an event loop."""
        return await asyncio.to_thread(call, *args)

    def new_thread(self, call: Callable[[], None]) -> threading.Thread:
        """A thread for *call*, which goes on when the event loop is gone."""
        return threading.Thread(target=call, name="sqs-batch-end", daemon=False)

    async def beside(self, call: Callable[..., T], *args: Any) -> T:
        """Call what asks no SQS, from an event loop."""
        return call(*args)

    def _close(self, *, raised: bool) -> BatchEnd:
        """Take no more; return what is to be sent now, and what is not to be sent at all."""
        if not self._is_ours:
            return BatchEnd(self.receivers, [], [])
        with self._lock:
            self._is_open = False
            entries, self._entries = self._entries, []
        kept = [(entry, decided) for entry, decided in entries if decided or not raised]
        dropped = [entry for entry, decided in entries if raised and not decided]
        outer = self._outer
        if kept and outer is not None and outer._take(kept):
            kept = []
        return BatchEnd(self.receivers, [entry for entry, _ in kept], dropped)

    def _end(self, raised: BaseException | None) -> None:
        end = self._close(raised=raised is not None)
        try:
            end.tell_dropped()
        finally:
            if end.sends:
                self._send(end, raised)

    def _send(self, end: BatchEnd, raised: BaseException | None) -> None:
        """Send it, and tell what became of it, also where that is interrupted."""
        try:
            try:
                _outside(end.send)
            finally:
                end.tell()
        except BaseException as struck:
            end.report(struck)
            raise
        end.report(raised)

    def send_kept(self) -> None:
        """Close it, which is not used as a block, and send what it keeps.

        :raises BatchFailed: some were not accepted.
        """
        self._end(None)


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


def _outside(call: Callable[[], None]) -> None:
    with outside():
        call()


async def _apart(call: Coroutine[Any, Any, T]) -> T:
    """Await *call*, which goes on if the caller is cancelled."""
    return await asyncio.shield(asyncio.ensure_future(call))
