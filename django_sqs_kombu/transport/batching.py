"""Batching: sends that share a request, and settlements that are collected."""

from __future__ import annotations

import atexit
import functools
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..exceptions import EndpointUnreachable, RequestFailed, SQSError
from .outgoing import MAX_MESSAGE_BYTES, size_of
from .requests import MAX_MESSAGES

if TYPE_CHECKING:
    from .requests import Message, Requests

logger = logging.getLogger(__name__)

#: How often a settlement is tried, and the seconds between two tries.
ATTEMPTS, RETRY_PAUSE = 5, 1.0


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


@dataclass(frozen=True, slots=True)
class _Settlement:
    message: Message
    seconds: int | None
    due: float
    attempt: int = 1


class SettlementBatcher:
    """Collects deletes and visibility changes, and sends them 10 at a time.

    What is not full goes after the linger, or at :meth:`flush`.  A crash before that
    means only that SQS redelivers.

    :param requests: what sends them.
    :param linger: seconds to wait for more.
    :param threads: how many requests may be under way at once.
    """

    def __init__(self, requests: Requests, linger: float, threads: int = 4) -> None:
        self._requests = requests
        self._linger = linger
        self._threads = threads
        self._started = 0
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        #: A batch was sent: whoever flushes waits for that.
        self._sent = threading.Condition(lock)
        #: By queue and by whether they are deletes.
        self._collected: dict[tuple[str, bool], deque[_Settlement]] = {}
        self._under_way = 0
        self._flushing = 0
        self._closed = False
        self._at_exit = functools.partial(_flush_at_exit, weakref.ref(self))
        atexit.register(self._at_exit)

    def delete(self, queue: str, message: Message) -> None:
        """Delete a received message soon."""
        self._add(queue, _Settlement(message, None, time.monotonic() + self._linger))

    def change_visibility(self, queue: str, message: Message, seconds: int) -> None:
        """Hide a received message soon, for *seconds* from then."""
        self._add(queue, _Settlement(message, seconds, time.monotonic() + self._linger))

    def flush(self, timeout: float = 10.0) -> None:
        """Send what is collected and wait for it, for *timeout* seconds at most."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            self._sent.wait_for(lambda: not self._collected and not self._under_way, timeout)
            self._flushing -= 1

    def close(self) -> None:
        """Flush, and end the threads."""
        self.flush()
        atexit.unregister(self._at_exit)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, queue: str, settlement: _Settlement) -> None:
        key = queue, settlement.seconds is None
        with self._changed:
            collected = self._collected.setdefault(key, deque())
            collected.append(settlement)
            full = len(collected) % MAX_MESSAGES == 0
            if self._started < self._threads and (full or self._started == 0):
                self._started += 1
                name = f"sqs-settler-{self._started}"
                threading.Thread(target=self._run, name=name, daemon=True).start()
            # The first sets the clock of the linger; the tenth ends it.
            if full or len(collected) == 1:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                key = self._ripe()
                while key is None:
                    if self._closed:
                        return
                    self._changed.wait(self._until_due())
                    key = self._ripe()
                collected = self._collected[key]
                batch = [collected.popleft() for _ in range(min(len(collected), MAX_MESSAGES))]
                if not collected:
                    del self._collected[key]
                self._under_way += 1
            try:
                again = self._send(key, batch)
            finally:
                with self._changed:
                    self._under_way -= 1
                    # For those who flush alone: to wake the other threads costs CPU.
                    self._sent.notify_all()
            for settlement in again:
                self._add(key[0], settlement)

    def _ripe(self) -> tuple[str, bool] | None:
        now = time.monotonic()
        for key, collected in self._collected.items():
            if self._flushing or len(collected) >= MAX_MESSAGES or collected[0].due <= now:
                return key
        return None

    def _until_due(self) -> float | None:
        if not self._collected:
            return None
        first = min(collected[0].due for collected in self._collected.values())
        return max(0.0, first - time.monotonic())

    def _send(self, key: tuple[str, bool], batch: list[_Settlement]) -> list[_Settlement]:
        queue, deletes = key
        messages = [settlement.message for settlement in batch]
        try:
            if deletes:
                failed = self._requests.delete_batch(queue, messages)
            else:
                seconds = [settlement.seconds or 0 for settlement in batch]
                failed = self._requests.change_visibility_batch(queue, messages, seconds)
        except EndpointUnreachable as exc:
            return self._try_again(queue, batch, exc)
        except SQSError as exc:
            self._give_up(queue, batch, exc)
            return []
        except Exception:
            logger.exception("Settling messages of queue %s failed", queue)
            return []
        return self._try_again(queue, [batch[number] for number in failed], "SQS failed")

    def _try_again(self, queue: str, batch: list[_Settlement], reason: object) -> list[_Settlement]:
        if batch and (batch[0].attempt >= ATTEMPTS or self._flushing):
            self._give_up(queue, batch, reason)
            return []
        due = time.monotonic() + RETRY_PAUSE
        return [_Settlement(s.message, s.seconds, due, s.attempt + 1) for s in batch]

    def _give_up(self, queue: str, batch: list[_Settlement], reason: object) -> None:
        logger.error(
            "Messages %s of queue %s could not be settled, SQS may redeliver them: %s",
            ", ".join(str(settlement.message.get("MessageId")) for settlement in batch),
            queue,
            reason,
        )


def _flush_at_exit(batcher: weakref.ref[SettlementBatcher]) -> None:
    alive = batcher()
    if alive is not None:
        alive.flush(timeout=2.0)
