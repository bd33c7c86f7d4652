"""Bulk: many messages to one queue, in full batches over a few parallel requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...exceptions import MessageEncodeError, RequestFailed, SendFailure, SendManyFailed
from ...quotas import MAX_MESSAGES
from .sends import fill_batch

if TYPE_CHECKING:
    from ..sqs.requests import Requests

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of a bulk send: its number, its item, and what SendMessage needs for it."""

    number: int
    item: Any
    params: dict[str, Any]


class BulkSend:
    """One bulk send; it keeps no more in memory than the batches that are under way.

    :param requests: what sends the batches.
    :param queue: the queue's name.
    :param parallel: how many requests may be under way at once.
    :param progress: called with the number of messages accepted so far.
    """

    def __init__(
        self, requests: Requests, queue: str, parallel: int, progress: Progress | None
    ) -> None:
        self._requests = requests
        self._queue = queue
        self._parallel = parallel
        self._progress = progress
        self._sent = 0
        self._tried = 0
        self._failures: list[SendFailure] = []
        self._stopped = False

    def run(self, items: Iterable[Any], encode: Callable[[Any], dict[str, Any]]) -> int:
        """Send *items*, each as *encode* makes it; return how many SQS accepted.

        :raises SendManyFailed: some were not accepted; it lists them.
        """
        under_way: dict[Future[list[RequestFailed | None]], list[Entry]] = {}
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="sqs-bulk") as pool:
            for batch in self._batches(items, encode):
                if len(under_way) >= self._parallel:
                    self._harvest(under_way)
                    if self._stopped:
                        self._tried = batch[0].number
                        break
                params = [entry.params for entry in batch]
                under_way[pool.submit(self._requests.send_batch, self._queue, params)] = batch
            while under_way:
                self._harvest(under_way)
        if self._failures:
            self._failures.sort(key=lambda failure: failure.number)
            untried_from = self._tried if self._stopped else None
            raise SendManyFailed(self._queue, self._sent, self._failures, untried_from)
        return self._sent

    def _batches(
        self, items: Iterable[Any], encode: Callable[[Any], dict[str, Any]]
    ) -> Iterator[list[Entry]]:
        waiting: list[Entry] = []
        for number, item in enumerate(items):
            self._tried = number + 1
            try:
                waiting.append(Entry(number, item, encode(item)))
            except MessageEncodeError as exc:
                self._failures.append(SendFailure(number, item, exc))
                continue
            count = fill_batch([entry.params for entry in waiting])
            if count < len(waiting) or count == MAX_MESSAGES:
                yield waiting[:count]
                waiting = waiting[count:]
        if waiting:
            yield waiting

    def _harvest(self, under_way: dict[Future[list[RequestFailed | None]], list[Entry]]) -> None:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            batch = under_way.pop(future)
            try:
                errors = future.result()
            except RequestFailed as exc:
                # The request as a whole failed: the next would fail alike.
                self._stopped = True
                errors = [exc] * len(batch)
            for entry, error in zip(batch, errors, strict=True):
                if error is None:
                    self._sent += 1
                else:
                    self._failures.append(SendFailure(entry.number, entry.item, error))
        if self._progress is not None:
            self._progress(self._sent)
