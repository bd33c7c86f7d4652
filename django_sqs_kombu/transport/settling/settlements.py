"""Settlements: deletes and visibility changes that are collected, and sent together."""

from __future__ import annotations

import atexit
import functools
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...exceptions import RequestFailed, SQSError
from ...quotas import MAX_MESSAGES
from .lost import log_failure

if TYPE_CHECKING:
    from ..sqs.received import Message
    from ..sqs.requests import Requests

logger = logging.getLogger(__name__)

#: How often a settlement is tried, and the seconds between two tries.
ATTEMPTS, RETRY_PAUSE = 5, 1.0


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
    :param deleted: called with each message that SQS has deleted.
    :param threads: how many requests may be under way at once.
    """

    def __init__(
        self,
        requests: Requests,
        linger: float,
        deleted: Callable[[Message], None],
        threads: int = 4,
    ) -> None:
        self._deleted = deleted
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
                results = self._requests.delete_batch(queue, messages)
            else:
                seconds = [settlement.seconds or 0 for settlement in batch]
                results = self._requests.change_visibility_batch(queue, messages, seconds)
        except SQSError as exc:
            if isinstance(exc, RequestFailed) and exc.passing:
                return self._try_again(queue, batch, exc)
            self._give_up(queue, batch, exc)
            return []
        except Exception:
            logger.exception("Settling messages of queue %s failed", queue)
            return []
        again = []
        for settlement, failure in zip(batch, results, strict=True):
            if failure is None:
                if deletes:
                    self._deleted(settlement.message)
            elif failure.passing:
                again.append(settlement)
            else:
                log_failure(settlement.message, failure)
        return self._try_again(queue, again, "SQS failed")

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
