"""Batching: sends that share a request, and settlements that are collected."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...exceptions import RequestFailed
from ...quotas import MAX_MESSAGE_BYTES, MAX_MESSAGES, size_of

if TYPE_CHECKING:
    from ..sqs.requests import Requests

logger = logging.getLogger(__name__)


def fill_batch(waiting: Sequence[dict[str, Any]]) -> int:
    """How many of the first *waiting* messages SQS takes in one SendMessageBatch."""
    total = 0
    for count, params in enumerate(waiting[:MAX_MESSAGES]):
        total += size_of(params)
        if total > MAX_MESSAGE_BYTES:
            return max(count, 1)
    return min(len(waiting), MAX_MESSAGES)


@dataclass(slots=True, eq=False)
class _Send:
    params: dict[str, Any]
    settled: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    error: Exception | None = None


class SendBatcher:
    """Group commit: sends that happen at the same time share a SendMessageBatch.

    A lone send goes at once.  What gathers while its request is under way goes together
    with the next one, which the first of those that wait sends for all.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Send]] = {}

    def send(self, queue: str, params: dict[str, Any]) -> None:
        """Send one message; return when SQS has accepted it.

        :raises RequestFailed: it was not accepted.
        """
        mine = _Send(params)
        with self._lock:
            line = self._waiting.get(queue)
            if line is None:
                # Nobody sends to this queue now. The line's presence says that I do.
                self._waiting[queue] = deque()
                mine.leads = True
            else:
                line.append(mine)
        if not mine.leads:
            try:
                mine.settled.wait()
            except BaseException:
                # A receiver's timeout, or Ctrl-C. The others must not wait for this one.
                self._leave(queue, mine)
                raise
        if mine.leads:
            self._lead(queue, mine)
        if mine.error is not None:
            raise mine.error

    def _lead(self, queue: str, mine: _Send) -> None:
        batch = [mine]
        try:
            batch = self._gather(queue, mine)
            errors = self._requests.send_batch(queue, [send.params for send in batch])
            for send, error in zip(batch, errors, strict=True):
                send.error = error
        except RequestFailed as exc:
            for send in batch:
                send.error = exc.copy()
        except BaseException as exc:
            failure = exc if isinstance(exc, Exception) else RuntimeError("the sender was stopped")
            for send in batch[1:]:
                send.error = failure
            raise
        finally:
            self._hand_over(queue, batch)

    def _gather(self, queue: str, mine: _Send) -> list[_Send]:
        with self._lock:
            line = self._waiting[queue]
            others = list(line)[: MAX_MESSAGES - 1]
            batch = [mine, *others][: fill_batch([mine.params, *(o.params for o in others)])]
            for _ in batch[1:]:
                line.popleft()
        return batch

    def _leave(self, queue: str, mine: _Send) -> None:
        with self._lock:
            line = self._waiting.get(queue)
            if line is not None and mine in line:
                line.remove(mine)
                return
        if mine.leads:
            self._hand_over(queue, [mine])

    def _hand_over(self, queue: str, batch: list[_Send]) -> None:
        with self._lock:
            line = self._waiting[queue]
            if line:
                following = line.popleft()
                following.leads = True
                following.settled.set()
            else:
                del self._waiting[queue]
        for send in batch[1:]:
            send.settled.set()
