"""ObjectDeletions: deletes in S3 the payloads of deleted messages, in threads of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

from ...logs import get_logger
from ...new_threads import start_thread, without_fail
from ..body.payloads import LargePayloads
from ..holding.held import Held
from ..sqs.received import Message

logger = get_logger(__name__)

#: How many deletions may be under way at once, and how many may wait; more are left in S3.
THREADS, MOST_WAITING = 2, 10_000

#: Seconds without a payload after which a thread ends.
IDLE = 60.0


class ObjectDeletions:
    """Deletes payloads, so that an S3 that hangs holds up nothing else.

    :param payloads: what knows where a message's payload is, and deletes it.
    """

    def __init__(self, payloads: LargePayloads) -> None:
        self._payloads = payloads
        self._setup()

    def _setup(self) -> None:
        self._waiting: queue.Queue[Message | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._started = 0

    def delete(self, held: Held) -> None:
        """Delete the payload of a message that was deleted, if it is in S3, soon.

        One that nobody has read stays: it may be all that is left of the message, or belong to
        its dead letter.
        """
        message = held.message
        if held.body == message.get("Body") or self._payloads.pointer(message) is None:
            return
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            logger.warning(
                "The payload in S3 of message %s, which is done, is not deleted: too many "
                "deletions are waiting",
                message.get("MessageId"),
            )
            return
        with self._lock:
            if self._started < THREADS:
                self._start()

    def close(self, timeout: float) -> None:
        """Wait for what is under way, for *timeout* seconds at most; then end the threads.

        What is not deleted by then is logged: it stays in S3 should the process end.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            if not self._started and not self._waiting.empty():
                # None was to be had before.
                self._start()
        while self._started and self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._started and (left := self._waiting.unfinished_tasks):
            logger.warning(
                "%d payload(s) in S3 of messages that are done were not deleted within %g s, and "
                "stay there if the process ends now",
                left,
                timeout,
            )
        with self._lock:
            started, self._started = self._started, 0
        for _ in range(started):
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                break

    def forget(self) -> None:
        """After a fork, in the child: what waits is the parent's."""
        self._setup()

    def _start(self) -> None:
        name = f"sqs-objects-{self._started + 1}"
        # Where no thread is to be had, the next deletion tries again, and so does the end.
        with contextlib.suppress(RuntimeError):
            start_thread(threading.Thread(target=self._run, name=name, daemon=True))
            self._started += 1

    def _run(self) -> None:
        while (message := without_fail(self._next)) is not None:
            try:
                self._payloads.delete(message)
            except Exception:
                logger.exception(
                    "The payload in S3 of message %s was not deleted, although the message is done",
                    message.get("MessageId"),
                )
            finally:
                self._waiting.task_done()

    def _next(self) -> Message | None:
        """Wait for a message; None: there was none for a long time, or nobody comes any more."""
        while True:
            try:
                message = self._waiting.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._started -= 1
                        return None
            else:
                if message is None:
                    # Nobody is to wait for that.
                    self._waiting.task_done()
                return message
