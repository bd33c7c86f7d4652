"""Pool: the threads that receivers run in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from ..logs import get_logger

logger = get_logger(__name__)

Job = tuple[Callable[..., object], tuple[Any, ...]]


class Pool:
    """Threads that come with the work; leaving its context waits for their end.

    An executor of the standard library makes a future, a lock and a condition for each call,
    which costs more than all that is done for a message here.

    :param most: how many threads there are at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Pool:
        # The first thread, before there is a message that needs it.
        self._start()
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, busy: int, call: Callable[..., object], *args: Any) -> None:
        """Call *call* in a thread; by one thread only.

        :param busy: how many calls there are that have not ended, this one included.
        :raises RuntimeError: no further thread can be started; one of those there comes to it.
        """
        self._jobs.put((call, args))
        if len(self._threads) < min(busy, self._most):
            self._start()

    def _start(self) -> None:
        name = f"sqs-receiver_{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, args = job
            try:
                call(*args)
            except BaseException:
                # Such as the SystemExit of a receiver: a message's end is no thread's.
                logger.exception("What a thread for receivers did ended by an exception")
            # What it worked on must not live until the next message.
            del job, call, args
