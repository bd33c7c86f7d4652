"""Bulk: many messages to one queue, in full batches, as many at once as hide the latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...exceptions import MessageEncodeError, SendFailure, SendManyFailed, SQSError, TimedOut
from ...names import FIFO
from ...printable import repr_of
from .flights import Flights, Landed
from .packing import ByGroup, InOrder, Item, Packing

if TYPE_CHECKING:
    from ...exceptions import RequestFailed
    from ..sqs.requests import Requests

Progress = Callable[[int], None]
Encode = Callable[[Any], dict[str, Any]]


class BulkSend:
    """One bulk send; it keeps no more in memory than the batches that are under way.

    :param requests: what sends the batches.
    :param queue: the queue's name.
    :param parallel: how many requests may be under way at once; None: as many as pay.
    :param progress: called with the number of messages accepted so far.
    """

    def __init__(
        self, requests: Requests, queue: str, parallel: int | None, progress: Progress | None
    ) -> None:
        self._queue = queue
        self._flights = Flights(requests, queue, parallel)
        self._progress = progress
        self._sent = 0
        #: The number of the first item that was not tried.
        self._untried = 0
        self._failures: list[SendFailure] = []
        #: Why a whole request failed, so that the next would fail alike.
        self._stopped: RequestFailed | None = None
        #: What chooses the next request, while it runs.
        self._packing: Packing | None = None
        #: What the items, or the progress function, raised.
        self._broken: Exception | None = None

    def run(self, items: Iterable[Any], encode: Encode) -> int:
        """Send *items*, each as *encode* makes it; return how many SQS accepted.

        :raises SendManyFailed: some were not accepted; it lists them.
        """
        read = self._encoded(iter(items), encode)
        packing: Packing = ByGroup(read) if self._queue.endswith(FIFO) else InOrder(read)
        self._packing = packing
        while self._stopped is None:
            started = time.perf_counter()
            batch = packing.next()
            if batch:
                self._flights.prepared(time.perf_counter() - started)
                self._send(packing, batch)
            elif len(self._flights):
                self._harvest(packing, wait=True)
            else:
                break
        while len(self._flights):
            self._harvest(packing, wait=True)
        self._take_note(packing.landed([], []))
        self._hold_back(packing.left())
        self._report()
        return self._sent

    def _send(self, packing: Packing, batch: list[Item]) -> None:
        """Send *batch* as soon as there is room for its request."""
        self._harvest(packing, wait=False)
        while self._stopped is None and not self._flights.has_room:
            self._harvest(packing, wait=True)
        if self._stopped is None:
            self._flights.begin(batch)
        else:
            self._hold_back(batch)

    def _harvest(self, packing: Packing, *, wait: bool) -> None:
        if landed := self._flights.landed(wait=wait):
            for each in landed:
                self._settle(packing, each)
            self._tell()

    def _settle(self, packing: Packing, landed: Landed) -> None:
        result = landed.result
        failed = [
            (item, error)
            for item, error in zip(landed.items, result.errors, strict=True)
            if error is not None
        ]
        self._sent += len(landed.items) - len(failed)
        self._take_note(failed)
        self._take_note(packing.landed(landed.items, result.errors))
        if result.stopped:
            self._stopped = failed[-1][1]

    def _tell(self) -> None:
        if self._progress is None:
            return
        try:
            self._progress(self._sent)
        except TimedOut:
            raise
        except Exception as exc:  # noqa: BLE001 - it is told with what was sent
            self._broken = exc if self._broken is None else self._broken

    def _take_note(self, failed: Iterable[tuple[Item, SQSError]]) -> None:
        self._failures += [SendFailure(item.number, item.item, error) for item, error in failed]

    def _hold_back(self, items: list[Item]) -> None:
        """*items* were read, and would fail as the request that stopped it."""
        if self._stopped is not None:
            self._take_note([(item, self._stopped.copy()) for item in items])

    def _encoded(self, items: Iterator[Any], encode: Encode) -> Iterator[Item]:
        # What was read is sent, though the progress function has raised.
        while self._broken is None:
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
                if self._packing is not None:
                    self._packing.unmade(exc)
            except Exception as exc:  # noqa: BLE001 - one bad item harms no other
                self._failures.append(SendFailure(number, item, unmade(exc)))
            else:
                yield Item(number, item, params)

    def _report(self) -> None:
        if not self._failures and self._broken is None:
            return
        self._failures.sort(key=lambda failure: failure.number)
        ended_early = self._stopped is not None or self._broken is not None
        raise SendManyFailed(
            self._queue,
            self._sent,
            self._failures,
            self._untried if ended_early else None,
            self._broken,
        ) from self._broken


def unmade(exc: Exception) -> SQSError:
    """Why an item could not be made into a message."""
    if isinstance(exc, SQSError):
        return exc
    error = MessageEncodeError(f"It could not be made into a message: {repr_of(exc)}")
    error.__cause__ = exc
    return error
