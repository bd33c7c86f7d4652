"""Bulk: many messages to one queue, in full batches over a few parallel requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...exceptions import (
    MessageEncodeError,
    RequestFailed,
    SendFailure,
    SendManyFailed,
    SQSError,
    TimedOut,
)
from ...names import FIFO
from ...quotas import MAX_MESSAGE_BYTES, MAX_MESSAGES, size_of
from .dispatch import Dispatched, send_batch, send_list

if TYPE_CHECKING:
    from ..sqs.requests import Requests

Progress = Callable[[int], None]
Encode = Callable[[Any], dict[str, Any]]

#: How many messages of a FIFO queue are read at once: of these each request takes one of
#: each group.
FIFO_WINDOW = 100


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a bulk send: its number, itself, and what SendMessage needs for it."""

    number: int
    item: Any
    params: dict[str, Any]


class BulkSend:
    """One bulk send; it keeps no more in memory than the batches that are under way.

    :param requests: what sends the batches.
    :param queue: the queue's name.
    :param parallel: how many requests may be under way at once.  A FIFO queue has one, since
        it keeps the order of requests only if they follow one another.
    :param progress: called with the number of messages accepted so far.
    """

    def __init__(
        self, requests: Requests, queue: str, parallel: int, progress: Progress | None
    ) -> None:
        self._requests = requests
        self._queue = queue
        self._fifo = queue.endswith(FIFO)
        self._parallel = 1 if self._fifo else parallel
        self._progress = progress
        self._sent = 0
        #: The number of the first item that was not tried.
        self._untried = 0
        self._failures: list[SendFailure] = []
        self._failed_groups: dict[str, RequestFailed] = {}
        self._stopped = False
        #: What the items, or the progress function, raised.
        self._broken: Exception | None = None

    def run(self, items: Iterable[Any], encode: Encode) -> int:
        """Send *items*, each as *encode* makes it; return how many SQS accepted.

        :raises SendManyFailed: some were not accepted; it lists them.
        """
        under_way: dict[Future[Dispatched], list[_Item]] = {}
        batches = self._batches(iter(items), encode)
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="sqs-bulk") as pool:
            for batch in batches:
                if len(under_way) >= self._parallel:
                    self._harvest(under_way)
                if self._stopped:
                    self._untried = batch[0].number
                    break
                under_way[pool.submit(self._send, [item.params for item in batch])] = batch
            while under_way:
                self._harvest(under_way)
        self._report()
        return self._sent

    def _send(self, entries: list[dict[str, Any]]) -> Dispatched:
        if self._fifo:
            return send_list(self._requests, self._queue, entries, self._failed_groups)
        return send_batch(self._requests, self._queue, entries)

    def _batches(self, items: Iterator[Any], encode: Encode) -> Iterator[list[_Item]]:
        batch: list[_Item] = []
        most = FIFO_WINDOW if self._fifo else MAX_MESSAGES
        total = 0
        for item in self._encoded(items, encode):
            size = size_of(item.params)
            if batch and total + size > MAX_MESSAGE_BYTES:
                yield batch
                batch, total = [], 0
            batch.append(item)
            total += size
            if len(batch) == most:
                yield batch
                batch, total = [], 0
        if batch:
            yield batch

    def _encoded(self, items: Iterator[Any], encode: Encode) -> Iterator[_Item]:
        while True:
            number = self._untried
            try:
                item = next(items)
            except StopIteration:
                return
            except TimedOut:
                raise
            except Exception as exc:  # noqa: BLE001 - it is told with what was sent
                self._broken = exc
                return
            self._untried += 1
            try:
                params = encode(item)
            except TimedOut:
                raise
            except SQSError as exc:
                self._failures.append(SendFailure(number, item, exc))
            except Exception as exc:  # noqa: BLE001 - one bad item harms no other
                error = MessageEncodeError(f"It could not be made into a message: {exc!r}")
                error.__cause__ = exc
                self._failures.append(SendFailure(number, item, error))
            else:
                yield _Item(number, item, params)

    def _harvest(self, under_way: dict[Future[Dispatched], list[_Item]]) -> None:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            batch = under_way.pop(future)
            result = future.result()
            self._stopped = self._stopped or result.stopped
            for item, error in zip(batch, result.errors, strict=True):
                if error is None:
                    self._sent += 1
                else:
                    self._failures.append(SendFailure(item.number, item.item, error))
        if self._progress is not None:
            try:
                self._progress(self._sent)
            except TimedOut:
                raise
            except Exception as exc:  # noqa: BLE001 - it is told with what was sent
                self._broken = self._broken or exc
                self._stopped = True

    def _report(self) -> None:
        if not self._failures and self._broken is None:
            return
        self._failures.sort(key=lambda failure: failure.number)
        ended_early = self._stopped or self._broken is not None
        raise SendManyFailed(
            self._queue,
            self._sent,
            self._failures,
            self._untried if ended_early else None,
            self._broken,
        ) from self._broken
